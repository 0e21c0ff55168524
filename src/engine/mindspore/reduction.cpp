// Reductions, positions of extremes, running sums.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "table.h"

namespace chorus_mindspore {
namespace {

// The axes of operand 1: all where there are none, unless the node says that this means nothing to do.
bool axes_of(Call& c, int64_t rank, Ints& axes) {
  axes = c.axes(c.ints(1), rank);
  if (!axes.empty()) return true;
  if (c.i("noop_with_empty_axes", 0) != 0) return false;
  for (int64_t d = 0; d < rank; ++d) axes.push_back(d);
  return true;
}

using Form = Tensor (*)(Call&, const Tensor& x, const Ints& axes, bool keep);
using Before = Tensor (*)(Call&, const Tensor& x);

template <Form form, Before before = nullptr, Before after = nullptr>
void reduced(Call& c) {
  Tensor x = c.in(0);
  Ints axes;
  const bool some = axes_of(c, x.rank(), axes);
  if (before != nullptr) x = before(c, x);
  if (some && x.rank() > 0) x = form(c, x, axes, c.i("keepdims", 1) != 0);
  if (after != nullptr) x = after(c, x);
  c.out(0, x);
}

template <Text op>
Tensor plain(Call& c, const Tensor& x, const Ints& axes, bool keep) {
  return c.reduce(op.chars, x, axes, keep);
}

int64_t extent(const Tensor& x, const Ints& axes) {
  int64_t n = 1;
  for (int64_t d : axes) n *= x.dim(d);
  return n;
}

// ReduceMean sums integers in their own type.
Tensor mean_of(Call& c, const Tensor& x, const Ints& axes, bool keep) {
  if (!is_integer(x.type())) return c.reduce("ReduceMean", x, axes, keep);
  const Tensor sum = c.reduce("ReduceSum", c.cast(x, kInt64), axes, keep);
  const int64_t n = extent(x, axes);
  c.require(n != 0 || sum.count() == 0, "the mean of no integers is not defined");
  return n == 0 ? sum : c.bin("TruncateDiv", sum, static_cast<double>(n));
}

template <Text op, Text logical>
Tensor extreme(Call& c, const Tensor& x, const Ints& axes, bool keep) {
  if (x.type() == kBool) return c.reduce(logical.chars, x, axes, keep);
  if (!is_float(x.type())) return c.reduce(op.chars, x, axes, keep);
  const bool half = x.type() == kHalf || x.type() == kBfloat16;
  const Tensor wide = half ? c.cast(x, kFloat) : x;
  const Tensor nan = c.reduce("ReduceAny", c.un("IsNan", wide), axes, keep);
  return c.where(nan, scalar_of(std::numeric_limits<double>::quiet_NaN(), wide.type()),
                 c.reduce(op.chars, wide, axes, keep));
}

Tensor log_sum_exp(Call& c, const Tensor& x, const Ints& axes, bool keep) {
  Tensor most = c.reduce("ReduceMax", x, axes, true);
  most = c.where(c.un("IsFinite", most), most, scalar_of(0, x.type()));
  const Tensor sum = c.reduce("ReduceSum", c.un("Exp", c.bin("Sub", x, most)), axes, true);
  const Tensor made = c.bin("Add", c.un("Log", sum), most);
  return keep ? made : c.reduce("ReduceSum", made, axes, false);
}

Tensor absolute(Call& c, const Tensor& x) { return is_unsigned(x.type()) ? x : c.un("Abs", x); }
Tensor squared(Call& c, const Tensor& x) { return c.bin("Mul", x, x); }
Tensor logged(Call& c, const Tensor& x) {
  return is_integer(x.type()) ? c.un("Log", c.cast(x, kDouble)) : c.un("Log", x);
}
Tensor rooted(Call& c, const Tensor& x) {
  return is_integer(x.type()) ? c.un("Sqrt", c.cast(x, kDouble)) : c.un("Sqrt", x);
}

template <Text op>
void position(Call& c) {
  Tensor x = c.in(0);
  if (x.rank() == 0) return c.out(0, c.fill({}, 0, kInt64));
  const int64_t axis = c.axis(c.i("axis", 0), x.rank());
  c.require(x.dim(axis) > 0, "there is no element along the axis");
  const bool last = c.i("select_last_index", 0) != 0;
  if (last) x = c.reverse(x, axis);
  Ints shape = x.dims();
  shape.erase(shape.begin() + axis);
  Tensor at = c.op(op.chars).in(x).i(axis).i(kInt64).one(kInt64, shape);
  if (is_float(x.type())) {   // a NaN is the largest and the smallest; its kernels pass over it
    const Tensor nan = c.cast(c.un("IsNan", x), kFloat), any = c.reduce("ReduceMax", nan, {axis}, false);
    const Tensor first = c.op("Argmax").in(nan).i(axis).i(kInt64).one(kInt64, shape);
    at = c.where(c.bin("Greater", any, 0.0), first, at);
  }
  if (last) at = c.bin("Sub", scalar_of(static_cast<double>(x.dim(axis) - 1), kInt64), at);
  if (c.i("keepdims", 1) != 0) shape.insert(shape.begin() + axis, 1), at = c.reshape(at, shape);
  c.out(0, at);
}

template <Text op>
void running(Call& c) {
  const Tensor x = c.in(0);
  const Ints axis = c.ints(1);
  c.require(axis.size() == 1, "the axis is one number");
  c.out(0, c.op(op.chars)
               .in(x)
               .i(c.axis(axis[0], x.rank()))
               .flag(c.i("exclusive", 0) != 0)
               .flag(c.i("reverse", 0) != 0)
               .one(x.type(), x.dims()));
}

void top_k(Call& c) {
  const Tensor x = c.in(0);
  const Ints count = c.ints(1);
  c.require(count.size() == 1 && count[0] >= 0, "K is one number that is not negative");
  c.require(x.rank() > 0, "a scalar has no axis");
  const int64_t axis = c.axis(c.i("axis", -1), x.rank()), last = x.rank() - 1;
  c.require(count[0] <= x.dim(axis), "K is greater than the extent of the axis");
  Ints order;
  for (int64_t d = 0; d <= last; ++d) order.push_back(d == axis ? last : d == last ? axis : d);
  Tensor moved = axis == last ? x : c.transpose(x, order);
  const bool largest = c.i("largest", 1) != 0;
  // A NaN is ordered as infinity, the largest, and its value taken from where it stood.
  const Tensor given = moved;
  const bool seeks = (x.type() == kFloat || x.type() == kDouble) && count[0] > 0 && moved.dims().size() > 0;
  if (seeks) moved = c.where(c.un("IsNan", moved), scalar_of(HUGE_VAL, x.type()), moved);
  // The smallest are the largest of what turns the order: -x, or ~x, which has no number that it cannot turn.
  const char* turn = is_float(x.type()) ? "Neg" : "Invert";
  if (!largest) moved = c.un(turn, moved);
  Ints shape = moved.dims();
  shape.back() = count[0];
  const Tensors found = c.op("TopK")
                            .in(moved)
                            .in(scalar_of(static_cast<double>(count[0]), kInt32))
                            .set_flag("sorted", true)
                            .makes(moved.type(), shape)
                            .makes(kInt32, shape)
                            .some();
  Tensor values = found.at(0), at = found.at(1);
  if (seeks)
    values = c.op("GatherD").in(given).i(last).in(c.cast(at, kInt64)).one(given.type(), shape);
  else if (!largest)
    values = c.un(turn, values);
  if (axis != last) values = c.transpose(values, order), at = c.transpose(at, order);
  c.out(0, values);
  c.out(1, at);
}

constexpr Widen kWiden = Widen::value;
constexpr std::array kRows = std::to_array<Row>({
    {"ReduceSum", reduced<plain<"ReduceSum">>, "ReduceSum", {}, Widen::sums},
    {"ReduceMean", reduced<mean_of>, "ReduceMean",
     "the mean of integers is their sum in int64, divided: ReduceMean sums in the narrow type", Widen::sums},
    {"ReduceProd", reduced<plain<"ReduceProd">>, "ReduceProd", {}, Widen::sums},
    {"ReduceMax", reduced<extreme<"ReduceMax", "ReduceAny">>, "",
     "booleans: Any, which Max lacks; NaN is lost: put back"},
    {"ReduceMin", reduced<extreme<"ReduceMin", "ReduceAll">>, "",
     "booleans: All, which Min lacks; NaN is lost: put back"},
    {"ReduceL1", reduced<plain<"ReduceSum">, absolute>, "ReduceSum", {}, Widen::sums},
    {"ReduceL2", reduced<plain<"ReduceSum">, squared, rooted>, "ReduceSum,Mul", {}, Widen::sums},
    {"ReduceSumSquare", reduced<plain<"ReduceSum">, squared>, "ReduceSum,Mul", {}, Widen::sums},
    {"ReduceLogSum", reduced<plain<"ReduceSum">, nullptr, logged>, "ReduceSum", {}, Widen::sums},
    {"ReduceLogSumExp", reduced<log_sum_exp>, "ReduceSum,ReduceMax,Exp,Log,IsFinite", {}, Widen::sums},
    {"ArgMax", position<"Argmax">, "Argmax", "of equals the last: the axis is turned around", kWiden},
    {"ArgMin", position<"Argmin">, "Argmin", "of equals the last: the axis is turned around", kWiden},
    {"CumSum", running<"CumSum">, "CumSum", {}, Widen::sums},
    {"CumProd", running<"CumProd">, "CumProd", {}, Widen::sums},
    {"TopK", top_k, "TopK", "has the largest only: the smallest are those of -x, of integers ~x", kWiden},
});

}  // namespace

std::span<const Row> reduction_rows() { return kRows; }

}  // namespace chorus_mindspore
