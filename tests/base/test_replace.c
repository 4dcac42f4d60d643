/* Files take the place of older ones whole or not at all: names, what killed writers leave, writers killed at random
 * moments, several at once, links, devices and permissions, and on POSIX a limit on sizes. */
#if !defined _WIN32
#define _POSIX_C_SOURCE 200809L
#define _FILE_OFFSET_BITS 64 /* folders past 32 bits, on 32-bit machines */
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "support/check.h"
#include "support/child.h"

#ifdef CHILDREN
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>
#endif
#ifdef HC_FILES_POSIX
#include <signal.h>
#include <sys/resource.h>
#elif defined HC_FILES_WINDOWS
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#define mkdir(path, mode) mkdir(path)
#endif

static const char kind[] = "test";

/* `count` times the same number. */
static bool save(const char *path, uint64_t number, size_t count) {
    HcWriter w;
    hc_write_begin(&w, path, kind, 1);
    hc_write_u64(&w, count);
    for (size_t i = 0; i < count; i++)
        hc_write_u64(&w, number);
    return hc_write_end(&w, "save", path);
}

/* The number, or 0 for a file that is not whole. */
static uint64_t load(const char *path) {
    size_t size;
    HcReader r;
    void *bytes = hc_read_file("load", path, 1 << 20, &size);
    bool good = bytes && hc_read_begin(&r, "load", path, bytes, size, 1 << 20, kind, 1);
    uint64_t count = good ? hc_read_u64(&r) : 0, number = count ? hc_read_u64(&r) : 0;
    for (uint64_t i = 1; i < count; i++)
        good = good && hc_read_u64(&r) == number;
    good = good && hc_read_end(&r);
    hc_free(bytes);
    return good ? number : 0;
}

static void put_file(const char *path) {
    FILE *file = fopen(path, "wb");
    CHECK(file && fclose(file) == 0);
}

static bool exists(const char *path) {
    FILE *file;
    bool there = hc_open(path, &file) == HC_OK;
    if (there) fclose(file);
    return there;
}

static void names(void) {
    unsigned long process = 0, number = 0;
    char *name = hc_temp_name("some/net", 12, 345);
    CHECK(name && strcmp(name, "some/net.tmp-12-345") == 0);
    CHECK(hc_is_temp("net.tmp-12-345", "net", &process, &number) && process == 12 && number == 345);
    static const char *const others[] = {"net",          "net.tmp",         "net.tmp-",
                                         "net.tmp-1",    "net.tmp-1-",      "net.tmp--1",
                                         "net.tmp-1-2x", "other.tmp-1-2",   "net.tmp-1-2-3",
                                         "net.tmp-+1-2", "net2.tmp-12-345", "net.tmp-1- 2",
                                         "net.tmp-123456789012345678901-1"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        CHECK(!hc_is_temp(others[i], "net", &process, &number));
    char *folder = hc_folder_of("some/net"), *here = hc_folder_of("net"), *root = hc_folder_of("/");
    CHECK(strcmp(folder, "some/") == 0 && strcmp(here, "./") == 0 && strcmp(root, "/") == 0);
    CHECK(strcmp(hc_last_name("a/b/net"), "net") == 0 && strcmp(hc_last_name("net"), "net") == 0);
    hc_free(name);
    hc_free(folder);
    hc_free(here);
    hc_free(root);
}

/* UTF-8 names too; what another process left goes, what only looks alike stays. */
static void replaced(void) {
    static const char path[] = "replace_\xC3\xA9\xE2\x82\xAC.tmp";
    CHECK(save(path, 1, 10) && load(path) == 1);
    CHECK(save(path, 2, 1000) && load(path) == 2);
    CHECK(save(path, 3, 1) && load(path) == 3);
#ifdef HC_FILES_WINDOWS
    CHECK(DeleteFileW(L"replace_\u00e9\u20ac.tmp"));
#else
    CHECK(remove(path) == 0);
#endif
    CHECK(!save("no/such/folder/file", 1, 1));
    CHECK_ERROR("could not be opened for writing");
    CHECK(save("replace.tmp", 1, 10));
#if defined HC_FILES_POSIX || defined HC_FILES_WINDOWS
    put_file("replace.tmp.tmp-999999999-7");
    put_file("replace.tmp.tmp-999999999-7b");
    CHECK(save("replace.tmp", 2, 10) && load("replace.tmp") == 2);
    CHECK(!exists("replace.tmp.tmp-999999999-7") && exists("replace.tmp.tmp-999999999-7b"));
    remove("replace.tmp.tmp-999999999-7b");
#endif
    remove("replace.tmp");
}

/* However long a file is, no more is read than what is asked for and a byte. */
static void read_no_further(void) {
    static const uint64_t most[] = {0, 1, 100, 4095, 4096, 4097, 5000, 100000};
    CHECK(save("replace.tmp", 4, 40000));
    for (size_t i = 0; i < sizeof most / sizeof *most; i++) {
        size_t size = 0;
        HcReader r;
        void *bytes = hc_read_file("load", "replace.tmp", most[i], &size);
        CHECK(bytes && size == (size_t)most[i] + 1);
        if (most[i] > 100) {
            CHECK(hc_read_begin(&r, "load", "long", bytes, size, most[i], kind, 1));
            CHECK(hc_read_u64(&r) == 40000 && hc_read_u64(&r) == 4); /* to be compared */
            CHECK(!hc_read_end(&r));
            CHECK_ERROR("load: 'long' is damaged: more than it should hold");
        }
        hc_free(bytes);
    }
    remove("replace.tmp");
}

#ifdef CHILDREN

/* What is in the folder that we are in. */
static size_t count_files(void) {
    size_t count = 0;
    DIR *here = opendir(".");
    for (const struct dirent *entry; here && (entry = readdir(here)) != NULL;)
        count += entry->d_name[0] != '.';
    if (here) closedir(here);
    return count;
}

static int save_on(unsigned long unused) {
    enum { COUNT = 20000 };
    (void)unused;
    for (uint64_t number = load("net") + 1; save("net", number, COUNT);)
        number++;
    return 1;
}
static const ChildPart saves_on = {"save_on", save_on};

#ifdef HC_FILES_POSIX
enum { KILLS = 200, MOST_MILLISECONDS = 8 };
#else
enum { KILLS = 30, MOST_MILLISECONDS = 60 }; /* all takes its time there */
#endif

static void killed(void) {
    size_t left = 0, fresh = 0;
    Rng rng = rng_seed(7);
    CHECK(save("net", 1, 20000));
    for (int i = 0; i < KILLS; i++) {
        uint64_t before = load("net");
        Child child;
        CHECK(child_start(&child, &saves_on, 0));
        child_pause(rng_uniform(&rng) * MOST_MILLISECONDS * 1e-3);
        CHECK(child_kill(&child));
        uint64_t after = load("net");
        CHECK(after >= before && before > 0);
        size_t files = count_files();
        CHECK(files <= 2); /* each child cleans up after the one before, or has not begun */
        left += files == 2;
        fresh += after > before;
    }
    printf("%d writers killed, %zu left something, %zu had written\n", KILLS, left, fresh);
    CHECK(save("net", 1, 1) && load("net") == 1 && count_files() == 1);
}

/* What a living writer is at work on is left alone, by processes and threads. */
static int save_beside(unsigned long unused) {
    (void)unused;
    return save("net", 5, 10) && load("net") == 5 && count_files() == 2 ? 0 : 1;
}
static const ChildPart saves_beside = {"save_beside", save_beside};

static void two_writers(void) {
    HcReplace r;
    CHECK(hc_replace_open(&r, "net") == HC_OK && count_files() == 2);
    CHECK(child_run(&saves_beside, 0) == 0 && save("net", 6, 10) && count_files() == 2);
    CHECK(load("net") == 6);
    CHECK(!hc_replace_close(&r, false) && count_files() == 1 && load("net") == 6);
    /* A process that has the number of one that was killed. */
    char *name = hc_temp_name("net", (unsigned long)getpid(), 1000000);
    put_file(name);
    CHECK(save("net", 7, 10) && count_files() == 1);
    hc_free(name);
}

static int save_more(unsigned long number) {
    while (save("net", number, 3000 * (number - 1)))
        ;
    return 1;
}
static const ChildPart saves_more = {"save_more", save_more};

/* Writers of the same name do not write into each other's file. */
static void many_writers(void) {
    enum { WRITERS = 3 };
    Child child[WRITERS];
    CHECK(save("net", 1, 5000));
    for (unsigned long i = 0; i < WRITERS; i++)
        CHECK(child_start(&child[i], &saves_more, i + 2));
    for (int i = 0; i < 300; i++)
        CHECK(load("net") > 0);
    for (int i = 0; i < WRITERS; i++)
        CHECK(child_kill(&child[i]));
    CHECK(load("net") > 0 && save("net", 1, 1) && count_files() == 1);
}

#ifdef HC_FILES_POSIX

/* A file that would be larger than the system allows, as on a full disk. */
static int save_too_much(unsigned long unused) {
    (void)unused;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){10000, 10000});
    if (save("net", 9, 100000) || save("new", 9, 100000)) return 1;
    return strstr(higherc_error(), "'net' could not be written in full") && count_files() == 1 ? 0
                                                                                               : 2;
}
static const ChildPart saves_too_much = {"save_too_much", save_too_much};

static void full(void) {
    CHECK(save("net", 8, 10));
    CHECK(child_run(&saves_too_much, 0) == 0 && load("net") == 8 && count_files() == 1);
    if (access("/dev/full", W_OK) != 0) return;
    CHECK(!save("/dev/full", 1, 10));
    CHECK_ERROR("could not be written in full");
    CHECK(save("/dev/null", 1, 10));
    struct stat st = {.st_mode = 0}; /* MemorySanitizer does not know of stat that it writes it */
    CHECK(stat("/dev/null", &st) == 0 && S_ISCHR(st.st_mode)); /* not replaced */
}

static void links(void) {
    CHECK(mkdir("sub", 0777) == 0 && symlink("sub/target", "link") == 0 &&
          symlink("link", "other") == 0);
    CHECK(save("other", 3, 10) && load("sub/target") == 3); /* to what was not there */
    CHECK(save("other", 4, 10) && load("sub/target") == 4 && load("link") == 4);
    char here[1024], target[1100];
    CHECK(getcwd(here, sizeof here) != NULL);
    snprintf(target, sizeof target, "%s/sub/target", here);
    CHECK(symlink(target, "far") == 0 && save("far", 5, 10) && load("sub/target") == 5);
    struct stat st = {.st_mode = 0};
    CHECK(lstat("other", &st) == 0 && S_ISLNK(st.st_mode));
    CHECK(lstat("link", &st) == 0 && S_ISLNK(st.st_mode));
    CHECK(symlink("loop", "loop") == 0 && !save("loop", 1, 1));
    CHECK_ERROR("could not be opened for writing");
    static const char *const made[] = {"sub/target", "link", "other", "loop", "far"};
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        CHECK(unlink(made[i]) == 0);
    CHECK(rmdir("sub") == 0);
}

/* As someone whom permissions bind. */
static int without_permission(unsigned long unused) {
    (void)unused;
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) return 77;
    if (save("net", 1, 10)) return 1; /* the folder is not to be written to */
    if (!strstr(higherc_error(), "could not be opened for writing")) return 2;
    higherc_clear_error();
    if (load("net") != 8) return 3;
    return save("open/file", 1, 10) ? 4 : 0; /* the folder is, the file is not */
}
static const ChildPart has_no_permission = {"without_permission", without_permission};

static void permissions(void) {
    struct stat st = {.st_mode = 0};
    CHECK(chmod("net", 0640) == 0 && save("net", 8, 10));
    CHECK(stat("net", &st) == 0 && (st.st_mode & 0777) == 0640);
    CHECK(chmod("net", 0666) == 0 && save("net", 8, 10)); /* more than the mask would give */
    CHECK(stat("net", &st) == 0 && (st.st_mode & 0777) == 0666);
    CHECK(mkdir("open", 0777) == 0 && chmod("open", 0777) == 0 && save("open/file", 2, 10));
    CHECK(chmod("open/file", 0444) == 0 && chmod(".", 0555) == 0);
    int status = child_run(&has_no_permission, 0);
    CHECK(status == 0 || status == 77);
    CHECK(chmod(".", 0777) == 0 && load("net") == 8 && load("open/file") == 2);
    CHECK(unlink("open/file") == 0 && rmdir("open") == 0 && count_files() == 1);
}

#else

static void full(void) {
    printf("left out: no limit on the sizes of files\n");
    CHECK(save("NUL", 1, 10) && count_files() == 1); /* a device */
}

static void links(void) {
    CHECK(mkdir("sub", 0777) == 0);
    CreateSymbolicLinkW(L"link", L"sub\\target", 0);
    const DWORD attributes = GetFileAttributesW(L"link");
    bool there = attributes != INVALID_FILE_ATTRIBUTES && attributes & FILE_ATTRIBUTE_REPARSE_POINT;
    if (there) {
        CHECK(!save("link", 3, 10)); /* to what is not there */
        CHECK_ERROR("could not be opened for writing");
        CHECK(save("sub/target", 4, 10) && save("link", 5, 10) && load("sub/target") == 5);
        CHECK(GetFileAttributesW(L"link") == attributes && unlink("sub/target") == 0);
    } else {
        printf("left out: no symbolic links\n");
    }
    CHECK(!save("sub", 1, 10));
    CHECK_ERROR("could not be opened for writing");
    CHECK((unlink("link") == 0 || !there) && rmdir("sub") == 0);
}

/* Write-protected, which a rename would not mind. */
static void permissions(void) {
    CHECK(save("net", 8, 10) && chmod("net", 0400) == 0 && !save("net", 9, 10));
    CHECK_ERROR("could not be opened for writing");
    CHECK(load("net") == 8 && chmod("net", 0600) == 0 && count_files() == 1);
}

#endif

static const ChildPart *const parts[] = {&saves_on, &saves_beside, &saves_more};

static void in_a_folder(void) {
    char folder[64];
    snprintf(folder, sizeof folder, "replace_%ld.tmp", (long)getpid());
    CHECK(mkdir(folder, 0777) == 0 && chdir(folder) == 0);
    killed();
    two_writers();
    many_writers();
    full();
    links();
    permissions();
    CHECK(unlink("net") == 0 && count_files() == 0 && chdir("..") == 0 && rmdir(folder) == 0);
}

#endif

int main(int argc, char **argv) {
#ifdef CHILDREN
    int status;
    if (child_main(argc, argv, parts, sizeof parts / sizeof *parts, &status)) return status;
#else
    (void)argc, (void)argv;
#endif
    names();
    replaced();
    read_no_further();
#ifdef CHILDREN
    in_a_folder();
#endif
    CHECK(higherc_error() == NULL);
    return check_done();
}
