/** @file higherc.h
 *  Everything, each header after those it is built on. To know what the library is for, begin with fmodule.h. */
#ifndef HIGHERC_HIGHERC_H
#define HIGHERC_HIGHERC_H

#include "base.h"
#include "pool.h"
#include "tape.h"
#include "tensor.h"
#include "custom.h"
#include "param.h"
#include "grad.h"
#include "program.h"
#include "module.h"
#include "layers.h"
#include "fmodule.h"
#include "optim.h"
#include "optimizers.h"
#include "schedule.h"
#include "checkpoint.h"
#include "safetensors.h"
#include "npy.h"
#include "lbfgs.h"
#include "diffopt.h"
#include "unroll.h"
#include "implicit.h"
#include "tasks.h"

#endif
