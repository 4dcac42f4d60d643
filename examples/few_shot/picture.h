/** @file picture.h
 *  One trial as an SVG: its examples, its queries, and what each of those was taken for. */
#ifndef FEW_SHOT_PICTURE_H
#define FEW_SHOT_PICTURE_H

#include "report.h"

/** FOLDER/NAME, of the trial whose error is the middle one. False after a line on stderr. */
bool picture_write(const char *folder, const char *name, const Result *result);

#endif
