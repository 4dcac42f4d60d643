/** @file plot.h
 *  The two pictures. */
#ifndef MAML_SINE_PLOT_H
#define MAML_SINE_PLOT_H

#include "curve.h"
#include "evaluate.h"
#include "options.h"

/** adaptation.svg: one task; MAML's adaptation to `support` beside the pretrained net's. */
bool plot_adaptation(const Options *options, const SineTask *task, const Points *support,
                     const Curve *maml, const Curve *pretrained);

/** steps.svg: MSE against gradient steps, a panel for each K; `evaluations` are grouped by shots.
 */
bool plot_steps(const Options *options, const Evaluation *evaluations, size_t count);

#endif
