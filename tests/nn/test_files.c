/* Files that survive: a writer killed at any moment, a full disk, a folder that is not there; and files that lie
 * about their size. */
#if defined(__unix__) || defined(__APPLE__)
#define _XOPEN_SOURCE 700
#define _FILE_OFFSET_BITS 64
#endif

#include <higherc/higherc.h>

#include <stdio.h>
#include <string.h>

#include "support/check.h"

static Module *filled(size_t side, double value) {
    Module *m = module_linear(side, side);
    for (size_t i = 0; i < module_params(m).count; i++)
        CHECK(param_fill(module_params(m).items[i], value));
    return m;
}

/* A step count that no one can have reached. */
static void check_steps(void) {
    const char *path = "files_steps.optim";
    static unsigned char bytes[4096];
    Module *m = filled(2, 1);
    Optim *optim = optim_sgd(module_params(m), sgd_options(0.1));
    CHECK(optim_save(optim, path));
    FILE *file = fopen(path, "rb");
    size_t size = file ? fread(bytes, 1, sizeof bytes, file) : 0;
    if (file) fclose(file);
    /* head, "sgd" and its length, the type; then the steps */
    for (size_t i = 0; i < 8; i++)
        bytes[20 + 7 + 4 + i] = 0xff;
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i + 4 < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0xEDB88320u : crc >> 1;
    }
    crc = ~crc;
    for (size_t i = 0; i < 4; i++)
        bytes[size - 4 + i] = (unsigned char)(crc >> 8 * i);
    file = fopen(path, "wb");
    CHECK(file && fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
    CHECK(!optim_load(optim, path) && optim_error(optim));
    CHECK_ERROR("holds a count of 18446744073709551615 steps");
    /* An error of long ago is not the optimizer's. */
    CHECK(!module_param(m, "nope"));
    file = fopen(path, "wb");
    CHECK(file && fwrite(bytes, 1, 100, file) == 100 && fclose(file) == 0);
    CHECK(!optim_load(optim, path) && strstr(optim_error(optim), "files_steps.optim"));
    CHECK_ERROR("nope");
    remove(path);
    CHECK(!optim_load(optim, path) && strstr(optim_error(optim), "could not be opened"));
    CHECK_ERROR("could not be opened");
    optim_destroy(optim);
    module_destroy(m);
}

/* Hyperparameters that do not go together are refused wherever they come from. */
static void check_together(void) {
    const char *path = "files_together.optim";
    Module *m = filled(2, 1);
    Optim *sgd = optim_sgd(module_params(m), sgd_options(0.1));
    CHECK(!optim_set(sgd, "nesterov", HC_ALL_GROUPS, 1));
    CHECK_ERROR("optim_set: nesterov cannot be 1: nesterov needs momentum");
    CHECK(optim_get(sgd, "nesterov", 0) == 0);
    CHECK(optim_set(sgd, "momentum", HC_ALL_GROUPS, 0.9));
    CHECK(optim_set(sgd, "nesterov", HC_ALL_GROUPS, 1));
    CHECK(!optim_set(sgd, "momentum", 0, 0) && !optim_set(sgd, "dampening", 0, 0.5));
    CHECK_ERROR("optim_set: momentum cannot be 0");
    CHECK(optim_save(sgd, path) && optim_load(sgd, path));
    remove(path);
    RpropOptions wide = rprop_options(0.1);
    wide.step_min = 100; /* above the default of step_max, which is raised, too */
    wide.step_max = 200;
    Optim *rprop = optim_rprop(module_params(m), wide);
    CHECK(rprop && optim_get(rprop, "step_min", 0) == 100);
    CHECK(!optim_set(rprop, "step_max", HC_ALL_GROUPS, 50));
    CHECK_ERROR("step_min is above step_max");
    optim_destroy(rprop);
    optim_destroy(sgd);
    module_destroy(m);
}

#ifdef _XOPEN_SOURCE

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SIDE = 100, KILLS = 200 };

/* The value that all numbers of the file have; -1 if it does not load or they differ. */
static double value_of(const char *path) {
    Module *m = filled(SIDE, 0);
    double value = module_load(m, path) ? param_get(module_param(m, "weight"), 0) : -1;
    for (size_t i = 0; i < SIDE * SIDE; i++)
        if (param_get(module_param(m, "weight"), i) != value) value = -1;
    for (size_t i = 0; i < SIDE; i++)
        if (param_get(module_param(m, "bias"), i) != value) value = -1;
    module_destroy(m);
    return value;
}

static void check_kills(void) {
    const char *path = "files_kills.net";
    Module *m[] = {filled(SIDE, 1), filled(SIDE, 2)};
    Rng rng = rng_seed(1);
    CHECK(module_save(m[0], path));
    for (int i = 0; i < KILLS; i++) {
        pid_t child = fork();
        if (child == 0) {
            for (int k = 0;; k++)
                module_save(m[k & 1], path);
        }
        struct timespec wait = {0, (long)(rng_uniform(&rng) * 4e6)};
        nanosleep(&wait, NULL);
        kill(child, SIGKILL);
        CHECK(waitpid(child, NULL, 0) == child);
        double value = value_of(path);
        CHECK(value == 1 || value == 2);
    }
    CHECK(module_save(m[1], path) && value_of(path) == 2);
    remove(path);
    module_destroy(m[0]);
    module_destroy(m[1]);
}

/* In a process of its own, whose files may have so many bytes. */
static void check_full(rlim_t bytes) {
    const char *path = "files_full.net";
    Module *old = filled(SIDE, 1), *new = filled(SIDE, 2);
    CHECK(module_save(old, path));
    pid_t child = fork();
    if (child == 0) {
        struct rlimit limit = {bytes, bytes};
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &limit);
        bool refused = !module_save(new, path) && higherc_status() == HC_ERR_IO;
        _exit(refused ? 0 : 1);
    }
    int status = 1;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(value_of(path) == 1);
    remove(path);
    module_destroy(old);
    module_destroy(new);
}

static void check_folders(void) {
    Module *m = filled(SIDE, 1);
    CHECK(!module_save(m, "files_nowhere/x.net"));
    CHECK_ERROR("could not be opened for writing");
    CHECK(mkdir("files_folder", 0700) == 0 && !module_save(m, "files_folder"));
    CHECK_ERROR("files_folder");
    CHECK(module_save(m, "files_folder/x.net") && chmod("files_folder", 0500) == 0);
    Module *other = filled(SIDE, 2);
    bool wrote = module_save(other, "files_folder/x.net"); /* root may */
    if (!wrote) CHECK_ERROR("could not be opened for writing");
    CHECK(value_of("files_folder/x.net") == (wrote ? 2 : 1));
    CHECK(chmod("files_folder", 0700) == 0 && remove("files_folder/x.net") == 0);
    CHECK(rmdir("files_folder") == 0); /* nothing was left in it */
    module_destroy(other);
    module_destroy(m);
}

static void check_links(void) {
    Module *m = filled(SIDE, 1), *other = filled(SIDE, 2);
    struct stat is = {.st_mode = 0}; /* MemorySanitizer does not know of lstat that it writes it */
    CHECK(module_save(m, "files_target.net") && chmod("files_target.net", 0600) == 0);
    CHECK(symlink("files_target.net", "files_link.net") == 0);
    CHECK(module_save(other, "files_link.net") && value_of("files_target.net") == 2);
    CHECK(lstat("files_link.net", &is) == 0 && S_ISLNK(is.st_mode));
    CHECK(stat("files_target.net", &is) == 0 && (is.st_mode & 0777) == 0600);
    remove("files_link.net");
    remove("files_target.net");
    module_destroy(m);
    module_destroy(other);
}

/* 64 GiB of nothing behind a good file: more than there is memory. */
static void check_huge(void) {
    const char *path = "files_huge.net";
    Module *m = filled(SIDE, 1);
    CHECK(module_save(m, path));
    if (sizeof(off_t) > 4 && truncate(path, (off_t)64 << 30) == 0) {
        CHECK(!module_load(m, path));
        CHECK_ERROR("more than it should hold");
    }
    remove(path);
    module_destroy(m);
}

static void check_survival(void) {
    check_kills();
    check_full(0);
    check_full(1000);
    check_full(SIDE * SIDE * 4);
    check_folders();
    check_links();
    check_huge();
}

#else

static void check_survival(void) {
    printf("left out: base_replace kills writers on other systems\n");
}

#endif

int main(void) {
    check_steps();
    check_together();
    check_survival();
    return check_done();
}
