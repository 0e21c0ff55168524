// The whole API in one include: tensors, operators, gradients, models, devices. C++20; the four interfaces chorus/model.h, device.h, io.h
// and infer.h alone are C++17.
#pragma once
#include <chorus/autograd.h>
#include <chorus/buffer.h>
#include <chorus/call.h>
#include <chorus/config.h>
#include <chorus/device.h>
#include <chorus/dtype.h>
#include <chorus/error.h>
#include <chorus/infer.h>
#include <chorus/io.h>
#include <chorus/lite.h>
#include <chorus/model.h>
#include <chorus/ops.h>
#include <chorus/predictor.h>
#include <chorus/result.h>
#include <chorus/shape.h>
#include <chorus/tensor.h>
#include <chorus/value.h>
