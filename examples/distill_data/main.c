/* Data distillation: a few learned examples that train a network nearly as well as all the data (Wang et al.
 * 2018, "Dataset distillation").
 *
 * An inner loop trains a net by SGD on the few. The loss that net then has on real data is differentiated,
 * through the inner steps, with respect to what the few are and to the learning rates, and both are moved to
 * make it smaller. On points of a spiral, for fresh nets (points.c), or on MNIST's digits, for one start
 * (digits.c). */
#include "distill.h"

#include "../flags.h"
#include "../outfile.h"

int main(int argc, char **argv) {
    const char *lenet = "lenet"; /* unless --net was given */
    Wanted wanted = {.nets = 20, .seed = 1, .net = lenet};
    const Flag flags[] = {
        {"--data", NULL, 0, 0, "folder with MNIST's digits, in place of points", &wanted.data},
        {"--steps", &wanted.steps, 0, 100000, "outer steps; 0: 1000, of digits 1500", NULL},
        {"--nets", &wanted.nets, 1, 1000, "fresh nets to judge points by", NULL},
        {"--net", NULL, 0, 0, "for digits: lenet (as without it) or mlp", &wanted.net},
        {"--validate", &wanted.validate, 0, 1,
         "1: judge by digits held out of those to learn from, and leave the others alone", NULL},
        {"--svg", NULL, 0, 0, "a file to draw the learned digits in", &wanted.svg},
        {"--seed", &wanted.seed, 0, SIZE_MAX, "of all random numbers", NULL}};
    int status = flags_read(argc, argv, flags, sizeof flags / sizeof *flags,
                            "distill_data: a few examples in place of many");
    if (status != FLAGS_RUN) return status;
    if (strcmp(wanted.net, "lenet") != 0 && strcmp(wanted.net, "mlp") != 0) {
        fprintf(stderr, "distill_data: --net: '%s' is neither lenet nor mlp\n", wanted.net);
        return 2;
    }
    const char *of_digits = wanted.svg            ? "--svg"
                            : wanted.validate     ? "--validate"
                            : wanted.net != lenet ? "--net"
                                                  : NULL;
    if (of_digits && !wanted.data) {
        fprintf(stderr, "distill_data: %s is for digits: --data is missing\n", of_digits);
        return 2;
    }
    if (wanted.svg && !outfile_try(wanted.svg)) return 1;

    bool good = wanted.data ? distill_digits(&wanted) : distill_points(&wanted);
    if (higherc_error()) fprintf(stderr, "%s\n", higherc_error());
    return higherc_error() != NULL || !good;
}
