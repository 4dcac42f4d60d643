/* maml_sine stopped in every way: killed at random moments, by Ctrl-C, by a full disk. The same command goes on, and
 * ends with the bits of a run that nobody stopped. And what it says of a checkpoint that it cannot go on from.
 *
 * Its argument is the program's path. For POSIX. */
#if !defined _WIN32
#define _XOPEN_SOURCE 700
#define _FILE_OFFSET_BITS 64
#endif

#include <stdio.h>
#include <string.h>

#include "support/check.h"
#include "support/child.h"

#if defined CHILDREN && !defined _WIN32

#include <higherc/higherc.h>

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_WORDS = 40, ROOM = 1 << 16, KILLS = 20, MOST_SAVES = 3 };

/* ---- commands -------------------------------------------------------------------------------------------------- */

static const char *program;
static const char told[] = "stopped_told.txt";

/* A command of a small net; words that come later go before. */
typedef struct Command {
    const char *words[MOST_WORDS];
    size_t count;
    rlim_t file_bytes; /* that its files may have, if not 0 */
} Command;

static void add(Command *c, const char *flag, const char *value) {
    c->words[c->count++] = flag;
    if (value) c->words[c->count++] = value;
}

static Command command(const char *iterations, const char *out, const char *checkpoint) {
    Command c = {.words = {program, "--quiet", "--learn-lr"}, .count = 3};
    add(&c, "--hidden", "6");
    add(&c, "--tasks", "3");
    add(&c, "--eval-tasks", "2");
    add(&c, "--eval-steps", "2");
    add(&c, "--every", "5");
    add(&c, "--iterations", iterations);
    add(&c, "--out", out);
    if (checkpoint) add(&c, "--checkpoint", checkpoint);
    return c;
}

static const Command *to_run;

/* What it says on stderr goes to a file. */
static int execute(unsigned long argument) {
    (void)argument;
    char *words[MOST_WORDS + 1] = {NULL};
    for (size_t i = 0; i < to_run->count; i++)
        words[i] = (char *)(uintptr_t)to_run->words[i];
    struct rlimit limit = {to_run->file_bytes, to_run->file_bytes};
    if (to_run->file_bytes && (signal(SIGXFSZ, SIG_IGN) == SIG_ERR || setrlimit(RLIMIT_FSIZE, &limit) != 0)) return 98;
    if (freopen("stopped_out.txt", "w", stdout) && freopen(told, "w", stderr)) execv(program, words);
    return 99;
}

static const ChildPart part = {"maml_sine", execute};

static void start(Child *child, const Command *c) {
    to_run = c;
    CHECK(child_start(child, &part, 0));
}

static int run(const Command *c) {
    Child child;
    start(&child, c);
    return child_wait(&child);
}

/* ---- files ----------------------------------------------------------------------------------------------------- */

static size_t read_all(const char *path, char *bytes) {
    FILE *file = fopen(path, "rb");
    size_t size = file ? fread(bytes, 1, ROOM - 1, file) : 0;
    if (file) fclose(file);
    bytes[size] = 0;
    return size;
}

static bool same_files(const char *a, const char *b) {
    static char one[ROOM], other[ROOM];
    size_t size = read_all(a, one);
    return size > 0 && size < ROOM - 1 && read_all(b, other) == size && memcmp(one, other, size) == 0;
}

/* Ended with this status and one line, which holds the words. */
static void says(const Command *c, int status, const char *words) {
    static char text[ROOM];
    int ended = run(c);
    size_t size = read_all(told, text);
    bool one_line = size > 0 && strchr(text, '\n') == text + size - 1 && strncmp(text, "maml_sine: ", 11) == 0;
    CHECK(ended == status);
    CHECK(one_line && strstr(text, words) != NULL);
    if (ended != status || !one_line || !strstr(text, words)) printf("  for '%s', status %d: %s", words, ended, text);
}

/* ---- killed ---------------------------------------------------------------------------------------------------- */

/* What changes when the file is replaced. */
static struct stat look(const char *path) {
    struct stat is;
    memset(&is, 0, sizeof is);
    if (stat(path, &is) != 0) memset(&is, 0, sizeof is);
    return is;
}

static bool same_look(const struct stat *a, const struct stat *b) {
    return a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_mtime == b->st_mtime;
}

/* Waits until it saved so many times, and for a moment more. Whether it still runs. */
static bool wait_for_saves(const Child *child, const char *path, size_t saves, Rng *rng) {
    struct stat before = look(path);
    while (saves > 0) {
        siginfo_t ended = {.si_pid = 0};
        if (waitid(P_PID, (id_t)child->number, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_pid != 0)
            return false;
        child_pause(20e-6);
        struct stat now = look(path);
        saves -= !same_look(&before, &now);
        before = now;
    }
    child_pause(rng_uniform(rng) * 4e-3);
    return true;
}

static void killed(void) {
    static const char path[] = "stopped_killed.run";
    static const char iterations[] = "400"; /* more than the killed ones get to */
    Command whole = command(iterations, "stopped_whole", "stopped_whole.run");
    remove("stopped_whole.run");
    remove(path);
    CHECK(run(&whole) == 0);
    Rng rng = rng_seed(1);
    size_t kills = 0, lives = 0;
    for (bool done = false; !done; lives++) {
        Command c = command(iterations, "stopped_killed", path);
        add(&c, "--threads", lives % 2 ? "2" : "1");
        Child child;
        start(&child, &c);
        if (kills < KILLS && wait_for_saves(&child, path, rng_below(&rng, MOST_SAVES + 1), &rng)) {
            kills += child_kill(&child);
            continue;
        }
        CHECK(child_wait(&child) == 0);
        CHECK(same_files("stopped_whole/results.csv", "stopped_killed/results.csv"));
        CHECK(same_files("stopped_whole.run", path));
        done = kills >= KILLS;
        if (!done) remove(path); /* to be killed more often */
    }
    printf("%zu lives, of which %zu ended by a kill\n", lives, kills);
    CHECK(kills == KILLS);
}

/* ---- stopped otherwise ----------------------------------------------------------------------------------------- */

/* Ctrl-C saves and evaluates what there is; whoever goes on has the whole. So has whoever asks for more. */
static void interrupted(void) {
    static const char path[] = "stopped_early.run";
    Rng rng = rng_seed(2);
    remove(path);
    Command c = command("1000000000", "stopped_early", path);
    Child child;
    start(&child, &c);
    CHECK(wait_for_saves(&child, path, 3, &rng));
    CHECK(kill((pid_t)child.number, SIGINT) == 0 && child_wait(&child) == 0);
    size_t behind = 0;
    static char text[ROOM];
    read_all("stopped_early/results.csv", text);
    const char *row = strchr(text, '\n');
    CHECK(row && sscanf(row + 1, "1,%zu,MAML", &behind) == 1 && behind > 0);
    char few[32], more[32];
    snprintf(few, sizeof few, "%zu", behind - 1);
    snprintf(more, sizeof more, "%zu", behind + 7);
    Command fewer = command(few, "stopped_early", path);
    says(&fewer, 1, "iterations behind it, more than --iterations ");
    Command on = command(more, "stopped_early", path), whole = command(more, "stopped_all", NULL);
    on.words[1] = "--learn-lr"; /* not quiet */
    CHECK(run(&on) == 0 && read_all(told, text) > 0 && strstr(text, "training: 7 in "));
    CHECK(run(&whole) == 0 && same_files("stopped_all/results.csv", "stopped_early/results.csv"));
}

/* A save that fails ends the run; the file is as it was. */
static void full(void) {
    remove("stopped_full.run");
    Command some = command("7", "stopped_full", "stopped_full.run"),
            on = command("12", "stopped_full", "stopped_full.run");
    CHECK(run(&some) == 0);
    static char before[ROOM], after[ROOM];
    size_t size = read_all("stopped_full.run", before);
    on.file_bytes = 1000;
    says(&on, 1, "checkpoint_save: 'stopped_full.run' could not be written in full");
    CHECK(read_all("stopped_full.run", after) == size && memcmp(before, after, size) == 0);
    on.file_bytes = 0;
    CHECK(run(&on) == 0);
}

/* ---- what it cannot go on from --------------------------------------------------------------------------------- */

static void with(const char *flag, const char *value, const char *words) {
    Command c = command("20", "stopped_refused", "stopped_refused.run");
    add(&c, flag, value);
    says(&c, 1, words);
}

static void refused(void) {
    static const char path[] = "stopped_refused.run";
    static char bytes[ROOM];
    remove(path);
    Command c = command("10", "stopped_refused", path);
    CHECK(run(&c) == 0);
    size_t size = read_all(path, bytes);
    with("--hidden", "7", "checkpoint_load: 'stopped_refused.run' was saved with --hidden 6, not 7");
    with("--seed", "18446744073709551615", "was saved with --seed 1, not 18446744073709551615");
    with("--first-order", NULL, "was saved with --first-order 0, not 1");
    with("--inner-lr", "0.02", "was saved with --inner-lr 0.01, not 0.02");
    with("--outer-lr", "0.002", "was saved with --outer-lr 0.001, not 0.002");
    with("--shots", "9", "was saved with --shots 10, not 9");
    with("--tasks", "4", "was saved with --tasks 3, not 4");
    with("--inner-steps", "2", "was saved with --inner-steps 1, not 2");
    with("--checkpoint", "no/such/folder/x.run", "'no/such/folder/x.run' could not be opened for writing");
    with("--checkpoint", "stopped_refused/results.csv", "'stopped_refused/results.csv' is no file of this library");
    with("--checkpoint", ".", "'.': could not be read");
    static char kept[ROOM];
    CHECK(read_all(path, kept) == size && memcmp(kept, bytes, size) == 0); /* by all of these */
    FILE *file = fopen(path, "wb");
    CHECK(file && fwrite(bytes, 1, size / 2, file) == size / 2 && fclose(file) == 0);
    with("--threads", "2", "'stopped_refused.run' is cut off or damaged (its checksum is wrong)");
    CHECK(read_all(path, kept) == size / 2);
    remove(path);
    Command other = command("10", "stopped_refused", "--checkpoint");
    says(&other, 2, "a value is missing after '--checkpoint'");
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    if (argc != 2) return check_done();
    program = argv[1];
    killed();
    interrupted();
    full();
    refused();
    remove(told);
    remove("stopped_out.txt");
    return check_done();
}

#else

int main(void) {
    printf("left out: this system starts no other programs as POSIX does\n");
    return check_done();
}

#endif
