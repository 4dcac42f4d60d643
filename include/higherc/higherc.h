/** @file higherc.h
 *  Everything. Read in this order: base.h, pool.h, tape.h, tensor.h, param.h, grad.h, program.h,
 *  module.h, layers.h, fmodule.h, optim.h, optimizers.h, diffopt.h, tasks.h; someone who wants to
 *  know what the library is for starts with fmodule.h. */
#ifndef HIGHERC_HIGHERC_H
#define HIGHERC_HIGHERC_H

#include "base.h"
#include "pool.h"
#include "tape.h"
#include "tensor.h"
#include "param.h"
#include "grad.h"
#include "program.h"
#include "module.h"
#include "layers.h"
#include "fmodule.h"
#include "optim.h"
#include "optimizers.h"
#include "diffopt.h"
#include "tasks.h"

#endif
