#include "design_program.c"
