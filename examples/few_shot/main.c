/* Characters told apart after one look at each: six learners on one network (learners.c), trained on tasks of one set
 * of alphabets (episode.c, train.c), and tested on the same trials (trials.c), of alphabets they have never seen. The
 * test of the one-shot runs is that of Lake, Salakhutdinov, Tenenbaum 2015: twenty characters of one alphabet, one
 * example of each by one person, and twenty queries by another.
 *
 * Without --data the program draws alphabets of its own (alphabet.c). */
#include <stdio.h>
#include <stdlib.h>

#include "../flags.h"
#include "output.h"
#include "picture.h"
#include "report.h"
#include "train.h"

enum {
    MAX_LEARNERS = 8,
    MAX_TRIALS = 2,
    DRAWN_ALPHABETS = 20,
    DRAWN_CHARACTERS = 25,
    DRAWN_HANDS = 20
};

/* The flags. */
typedef struct Settings {
    const char *learner, *data, *train, *test, *runs, *out;
    size_t iterations, minutes, tasks, ways, shots, queries, episodes, channels, threads, seed;
} Settings;

typedef struct Experiment {
    const Settings *settings;
    const Learner *learners[MAX_LEARNERS];
    size_t learner_count;
    Characters *characters; /* to learn from */
    Trials trials[MAX_TRIALS];
    size_t trials_count;
    Result results[MAX_LEARNERS * MAX_TRIALS];
    size_t result_count;
} Experiment;

static bool complain(const char *what, const char *about) {
    fprintf(stderr, "few_shot: %s '%s' (see --help)\n", what, about);
    return false;
}

/* ---- what the flags ask for -------------------------------------------------------------------- */

static const Learner *find_learner(const char *name, size_t length) {
    for (size_t i = 0; i < learner_count; i++)
        if (strlen(learners[i].name) == length && strncmp(learners[i].name, name, length) == 0)
            return &learners[i];
    fprintf(stderr, "few_shot: there is no learner '%.*s'; there are", (int)length, name);
    for (size_t i = 0; i < learner_count; i++)
        fprintf(stderr, " %s,", learners[i].name);
    fprintf(stderr, " or all\n");
    return NULL;
}

/* Names with commas between, or "all". */
static bool choose_learners(Experiment *e, const char *names) {
    for (size_t i = 0; strcmp(names, "all") == 0 && i < learner_count; i++)
        e->learners[e->learner_count++] = &learners[i];
    while (e->learner_count < MAX_LEARNERS && *names && strcmp(names, "all") != 0) {
        size_t length = strcspn(names, ",");
        const Learner *found = find_learner(names, length);
        if (!found) return false;
        e->learners[e->learner_count++] = found;
        names += length + (names[length] == ',');
    }
    return true;
}

/* Before an hour of training is the time to find out that its results cannot be written. */
static bool prepare_output(const Experiment *e) {
    char names[MAX_LEARNERS][NAME];
    const char *files[MAX_LEARNERS + 1] = {"results.csv"};
    for (size_t i = 0; i < e->learner_count; i++) {
        snprintf(names[i], NAME, "%s.svg", e->learners[i]->name);
        files[i + 1] = names[i];
    }
    return !e->settings->out || output_prepare(e->settings->out, files, e->learner_count + 1);
}

/* ---- characters -------------------------------------------------------------------------------- */

static bool right_flags(const Settings *s) {
    const char *of_data = s->train ? "--train" : s->test ? "--test" : s->runs ? "--runs" : NULL;
    if (!s->data && of_data) return complain("without --data there is nothing for", of_data);
    if (s->data && !s->train) return complain("--data also takes", "--train SET");
    if (s->data && !s->test && !s->runs)
        return complain("--data also takes", "--test SET or --runs NAME");
    return true;
}

/* Of alphabets with at least so many. */
static void tell_characters(const Characters *characters, size_t least, const char *what,
                            const char *name) {
    size_t count = 0, alphabets = 0;
    for (size_t i = 0; i < characters->alphabet_count; i++) {
        bool enough = characters->alphabets[i].count >= least;
        count += enough ? characters->alphabets[i].count : 0;
        alphabets += enough;
    }
    printf("%s %s: %zu characters of %zu alphabets\n", what, name, count, alphabets);
}

/* Episodes of alphabets that were not learned from. */
static bool add_episodes(Experiment *e, const char *name, Characters *others) {
    const Settings *s = e->settings;
    EpisodeShape shape = {s->ways, s->shots, 1};
    if (!others) return false;
    characters_without(others, e->characters);
    bool done = episode_possible(shape, others, false, name) &&
                trials_draw(&e->trials[e->trials_count], name, others, shape, s->episodes);
    e->trials_count += done;
    if (done) tell_characters(others, s->ways, "tested on episodes of", name);
    characters_destroy(others);
    return done;
}

static bool get_characters(Experiment *e) {
    const Settings *s = e->settings;
    EpisodeShape shape = {s->ways, s->shots, s->queries};
    e->characters = s->data ? characters_read(s->data, s->train)
                            : characters_drawn(DRAWN_ALPHABETS, DRAWN_CHARACTERS, DRAWN_HANDS, 1);
    const char *name = s->data ? s->train : "drawings";
    if (!e->characters || !episode_possible(shape, e->characters, true, name)) return false;
    tell_characters(e->characters, 0, "learned from", name);
    if (s->runs) {
        if (s->shots != 1) return complain("one example of each is what there is in", s->runs);
        if (!trials_read(&e->trials[0], s->data, s->runs, s->ways)) return false;
        e->trials_count++;
        printf("tested on %zu runs of %s\n", e->trials[0].count, s->runs);
    }
    if (s->data && !s->test) return true;
    return add_episodes(e, s->data ? s->test : "others",
                        s->data
                            ? characters_read(s->data, s->test)
                            : characters_drawn(DRAWN_ALPHABETS, DRAWN_CHARACTERS, DRAWN_HANDS, 2));
}

/* ---- learning and testing ---------------------------------------------------------------------- */

static bool add_result(Experiment *e, const Model *model, const Plan *plan, Trained trained,
                       const Trials *trials) {
    Result *result = &e->results[e->result_count++];
    *result =
        (Result){model->learner, trials, trained, malloc(trials->count * trials_queries(trials))};
    return result->taken && test(model, plan, trials, result->taken);
}

static bool run_learner(Experiment *e, const Learner *learner) {
    const Settings *s = e->settings;
    Plan plan = {{s->ways, s->shots, s->queries},
                 e->characters,
                 s->tasks,
                 s->iterations,
                 s->minutes,
                 s->threads,
                 s->seed};
    /* of the clock alone, where nothing is said of iterations */
    if (!s->iterations) plan.iterations = s->minutes ? 1000000000 : learner->iterations;
    Rng rng = rng_seed(s->seed);
    Model model;
    Trained trained;
    bool done = model_create(&model, learner, s->channels, s->ways, &rng);
    if (!done) fprintf(stderr, "few_shot: %s: %s\n", learner->name, higherc_error());
    done = done && train(&model, &plan, &trained);
    for (size_t i = 0; done && i < e->trials_count; i++)
        done = add_result(e, &model, &plan, trained, &e->trials[i]);
    model_destroy(&model);
    return done;
}

/* A picture of the first kind of trials for each learner. */
static bool write_files(const Experiment *e) {
    const Settings *s = e->settings;
    bool done = report_csv(s->out, s->data ? s->train : "drawings", e->results, e->result_count);
    for (size_t i = 0; done && i < e->result_count; i += e->trials_count) {
        char name[NAME];
        snprintf(name, sizeof name, "%s.svg", e->results[i].learner->name);
        done = picture_write(s->out, name, &e->results[i]);
    }
    if (done)
        printf("\nwritten: results.csv and a picture of a trial for each learner, in %s\n", s->out);
    return done;
}

static bool experiment(const Settings *s) {
    Experiment e = {.settings = s};
    bool done = right_flags(s) && choose_learners(&e, s->learner) && prepare_output(&e) &&
                get_characters(&e);
    fflush(stdout);
    for (size_t i = 0; done && i < e.learner_count; i++)
        done = run_learner(&e, e.learners[i]);
    if (done) report_table(e.results, e.result_count);
    done = done && (!s->out || write_files(&e));
    for (size_t i = 0; i < e.result_count; i++)
        free(e.results[i].taken);
    for (size_t i = 0; i < e.trials_count; i++)
        trials_free(&e.trials[i]);
    characters_destroy(e.characters);
    return done;
}

int main(int argc, char **argv) {
    Settings s = {.learner = "proto",
                  .tasks = 2,
                  .ways = 20,
                  .shots = 1,
                  .queries = 3,
                  .episodes = 200,
                  .channels = 32,
                  .threads = 2,
                  .seed = 1};
    // clang-format off
    const Flag flags[] = {
        {"--learner",    NULL, 0, 0, "maml, anil, fomaml, reptile, proto, r2d2; several with commas; all", &s.learner},
        {"--data",       NULL, 0, 0, "folder of IDX files, in place of drawings", &s.data},
        {"--train",      NULL, 0, 0, "set of it to learn from: omniglot-SET-images-idx3-ubyte ...", &s.train},
        {"--test",       NULL, 0, 0, "set of it to test on: alphabets that the first lacks", &s.test},
        {"--runs",       NULL, 0, 0, "runs of it to test on: omniglot-NAME-train-images-idx3-ubyte ...", &s.runs},
        {"--out",        NULL, 0, 0, "folder for results.csv and pictures", &s.out},
        {"--iterations", &s.iterations, 0, 1000000000, "meta-iterations at most; 0: the learner's own number", NULL},
        {"--minutes",    &s.minutes, 0, 100000, "of training at most; 0: no limit", NULL},
        {"--tasks",      &s.tasks, 1, 1000, "tasks of a meta-iteration", NULL},
        {"--ways",       &s.ways, 2, MAX_WAYS, "characters of a task", NULL},
        {"--shots",      &s.shots, 1, MAX_DRAWINGS / 2, "examples of each character", NULL},
        {"--queries",    &s.queries, 1, MAX_DRAWINGS / 2, "queries of each character, in training", NULL},
        {"--episodes",   &s.episodes, 1, 100000, "tasks of the test", NULL},
        {"--channels",   &s.channels, 1, 1024, "of each convolution", NULL},
        {"--threads",    &s.threads, 1, HC_MAX_THREADS, "threads; the results are the same", NULL},
        {"--seed",       &s.seed, 0, SIZE_MAX, "of all random numbers", NULL},
    };
    // clang-format on
    int status =
        flags_read(argc, argv, flags, sizeof flags / sizeof *flags,
                   "few_shot: tell characters apart after one look at each, by six learners");
    if (status != FLAGS_RUN) return status;
    return experiment(&s) ? EXIT_SUCCESS : EXIT_FAILURE;
}
