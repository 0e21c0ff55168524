// A model's whole way: read, image, compile to a plan (verified where asserts are on), bind, run within a budget.
#include "fuzz/target.h"
#include "hostile/drive.h"

namespace chorus::fuzz {
const Target plan{
    "plan",      "plans and runs", [](std::string_view bytes) { static_cast<void>(testing::drive(bytes)); },
    model_seeds, change_model,     10};
}  // namespace chorus::fuzz
