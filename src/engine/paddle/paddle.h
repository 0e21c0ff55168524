// The part of PaddlePaddle that this folder uses; precompiled, so that it is read once.
#pragma once
#include <paddle/phi/api/include/api.h>
#include <paddle/phi/api/include/tensor.h>
#include <paddle/phi/core/dense_tensor.h>
