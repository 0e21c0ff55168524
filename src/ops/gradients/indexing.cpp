// Gradients of operators that choose by indices: choosing scatters back with addition, scattering chooses.
#include <ops/gradients/rules.h>
#include <ops/gradients/support.h>

#include <numeric>

namespace chorus::gradients {
namespace {

Ref scatter_elements(OpBuilder& b, Ref data, Ref indices, Ref updates, int64_t axis, std::string_view how) {
  return b.op("ScatterElements", {data, indices, updates}, {{"axis", axis}, {"reduction", how}});
}
Ref scatter_nd(OpBuilder& b, Ref data, Ref indices, Ref updates, std::string_view how) {
  return b.op("ScatterND", {data, indices, updates}, {{"reduction", how}});
}
Ref as_int64(OpBuilder& b, Ref indices) {
  return b.type_of(indices).dtype == DType::int64
             ? indices
             : b.op("Cast", {indices}, {{"to", static_cast<int64_t>(DType::int64)}});
}

/// What the two kinds of scattering have in common.
struct Scattering {
  GradContext& b;
  bool nd;
  int64_t axis;
  Ref indices() const { return b.in(1); }
  Ref gather(Ref x) const {
    return nd ? b.op("GatherND", {x, indices()}) : b.op("GatherElements", {x, indices()}, {{"axis", axis}});
  }
  Ref scatter(Ref data, Ref updates, std::string_view how) const {
    return nd ? scatter_nd(b, data, indices(), updates, how) : scatter_elements(b, data, indices(), updates, axis, how);
  }
};

/// Where the last update of a place was written: of several only that one has a gradient.
Ref survivors(const Scattering& s, Ref updates) {
  GradContext& b = s.b;
  const Ref shape = shape_of(b, updates);
  const Ref count = b.op("Size", {updates});
  const Ref numbers = reshape(b, b.op("Range", {whole(b, 1), add(b, count, whole(b, 1)), whole(b, 1)}), shape);
  const Ref nothing = b.op("ConstantOfShape", {shape_of(b, b.in(0))}, {{"value", Value::of<int64_t>(Shape{1}, {0})}});
  return equal(b, s.gather(s.scatter(nothing, numbers, "none")), numbers);
}

void replace_rule(const Scattering& s) {
  GradContext& b = s.b;
  const Ref dy = b.out_gradient(0), zero = number(b, dy, 0);
  if (b.wanted(0)) b.set_gradient(0, s.scatter(dy, zeros_like(b, b.in(2)), "none"));
  if (b.wanted(2)) b.set_gradient(2, where(b, survivors(s, b.in(2)), s.gather(dy), zero));
}

void add_rule_of(const Scattering& s) {
  s.b.set_gradient(0, s.b.out_gradient(0));
  if (s.b.wanted(2)) s.b.set_gradient(2, s.gather(s.b.out_gradient(0)));
}

/// The product of the other factors of a place, without dividing by 0.
void multiply_rule(const Scattering& s) {
  GradContext& b = s.b;
  const Ref x = b.in(0), u = b.in(2), dy = b.out_gradient(0), one = number(b, x, 1), zero = number(b, x, 0);
  const Ref x_zero = equal(b, x, zero), u_zero = equal(b, u, zero);
  const Ref safe_x = where(b, x_zero, one, x), safe_u = where(b, u_zero, one, u);
  const Ref count_x = as_numbers(b, x_zero, x), count_u = as_numbers(b, u_zero, x);
  const Ref product = mul(b, dy, s.scatter(safe_x, safe_u, "mul")), zeros = s.scatter(count_x, count_u, "add");
  if (b.wanted(0)) b.set_gradient(0, where(b, equal(b, sub(b, zeros, count_x), zero), div(b, product, safe_x), zero));
  if (b.wanted(2)) {
    const Ref others = sub(b, s.gather(zeros), count_u);
    b.set_gradient(2, where(b, equal(b, others, zero), div(b, s.gather(product), safe_u), zero));
  }
}

/// Those that reach the extremum of their place share its gradient.
void extremum_of(const Scattering& s) {
  GradContext& b = s.b;
  const Ref y = b.out(0), dy = b.out_gradient(0);
  const Ref x_hits = as_numbers(b, equal(b, b.in(0), y), dy),
            u_hits = as_numbers(b, equal(b, b.in(2), s.gather(y)), dy);
  const Ref share = div(b, dy, s.scatter(x_hits, u_hits, "add"));
  if (b.wanted(0)) b.set_gradient(0, mul(b, share, x_hits));
  if (b.wanted(2)) b.set_gradient(2, mul(b, s.gather(share), u_hits));
}

void scattering(const Scattering& s) {
  const std::string_view how = s.b.attrs().string("reduction", "none");
  if (how == "add") return add_rule_of(s);
  if (how == "mul") return multiply_rule(s);
  if (how == "min" || how == "max") return extremum_of(s);
  replace_rule(s);
}

/// Steps of `axis` that are written, as TensorScatter does it, in the words of ScatterND.
Expansion tensor_scatter_form(OpBuilder& b) {
  const int rank = b.input(0).rank();
  if (rank < 0) return Expansion::refuse("TensorScatter of unknown rank");
  const int64_t axis = rules::normalize_axis(b, b.attrs().integer("axis", -2), rank);
  const auto range = [&](Ref x, int64_t of) {
    return b.op("Range", {whole(b, 0), b.op("Squeeze", {extent_of(b, x, of), b.ints({0})}), whole(b, 1)});
  };
  const Ref steps = b.op("Unsqueeze", {range(b.in(1), axis), b.ints({0})});   // [1, steps]
  const Ref batch = b.op("Unsqueeze", {range(b.in(0), 0), b.ints({1})});      // [batch, 1]
  Ref at = steps;
  if (b.has_input(2)) at = add(b, at, b.op("Unsqueeze", {b.in(2), b.ints({1})}));
  if (b.attrs().string("mode", "linear") == "circular") at = b.op("Mod", {at, extent_of(b, b.in(0), axis)});
  const Ref grid = joined(b, {extent_of(b, b.in(0), 0), extent_of(b, b.in(1), axis), b.ints({1})});
  const auto column = [&](Ref v) { return b.op("Expand", {b.op("Unsqueeze", {v, b.ints({2})}), grid}); };
  const Ref indices = b.op("Concat", {column(batch), column(at)}, {{"axis", 2}});
  // The axis to the second place and back.
  std::vector<int64_t> order{0, axis}, back(static_cast<size_t>(rank));
  for (int64_t i = 1; i < rank; ++i) {
    if (i != axis) order.push_back(i);
  }
  for (size_t i = 0; i < order.size(); ++i) back[static_cast<size_t>(order[i])] = static_cast<int64_t>(i);
  return transposed(b, scatter_nd(b, transposed(b, b.in(0), order), indices, transposed(b, b.in(1), order), "none"),
                    back);
}

}  // namespace

void gather_rule(GradContext& b) {
  const int rank = known_rank(b, 0), count = known_rank(b, 1);
  const int64_t axis = axis_of(b, b.attrs().integer("axis"), rank);
  // Index axes first, then those before `axis`, then those behind it.
  std::vector<int64_t> order(static_cast<size_t>(count)), data_order{axis}, back(static_cast<size_t>(rank));
  std::iota(order.begin(), order.end(), axis);
  for (int64_t i = 0; i < rank - 1 + count; ++i) {
    if (i < axis || i >= axis + count) order.push_back(i);
  }
  for (int64_t i = 0; i < rank; ++i) {
    if (i != axis) data_order.push_back(i);
  }
  for (size_t i = 0; i < data_order.size(); ++i) back[static_cast<size_t>(data_order[i])] = static_cast<int64_t>(i);
  const Ref indices = b.op("Unsqueeze", {as_int64(b, b.in(1)), b.ints({-1})});
  const Ref shape = b.op("Gather", {shape_of(b, b.in(0)), b.ints(data_order)}, {{"axis", 0}});
  const Ref zeros = filled(b, shape, b.out_gradient(0), 0);
  b.set_gradient(0, transposed(b, scatter_nd(b, zeros, indices, transposed(b, b.out_gradient(0), order), "add"), back));
}

void gather_elements_rule(GradContext& b) {
  b.set_gradient(
      0, scatter_elements(b, zeros_like(b, b.in(0)), b.in(1), b.out_gradient(0), b.attrs().integer("axis"), "add"));
}

void gather_nd_rule(GradContext& b) {
  const int64_t batch = b.attrs().integer("batch_dims");
  Ref indices = b.in(1);
  if (batch > 0) {
    // The position in each batch axis goes before the tuple.
    const int count = known_rank(b, 1);
    const Ref shape = b.op("Shape", {indices}, {{"end", count - 1}}), tuple = joined(b, {shape, b.ints({1})});
    std::vector<Ref> columns;
    for (int64_t i = 0; i < batch; ++i) {
      const Ref n = b.op("Squeeze", {extent_of(b, indices, i), b.ints({0})});
      std::vector<int64_t> around;
      for (int64_t k = 0; k < count; ++k) {
        if (k != i) around.push_back(k);
      }
      const Ref line = b.op("Range", {whole(b, 0), n, whole(b, 1)});
      columns.push_back(b.op("Expand", {around.empty() ? line : b.op("Unsqueeze", {line, b.ints(around)}), tuple}));
    }
    columns.push_back(indices);
    indices = b.emit("Concat", columns, {{"axis", -1}}, 1)[0];
  }
  b.set_gradient(0, scatter_nd(b, zeros_like(b, b.in(0)), indices, b.out_gradient(0), "add"));
}

void scatter_elements_rule(GradContext& b) { scattering({b, false, b.attrs().integer("axis")}); }
void scatter_nd_rule(GradContext& b) { scattering({b, true, 0}); }
void tensor_scatter_rule(GradContext& b) { b.through(tensor_scatter_form); }

/// values = [off, on].
void one_hot_rule(GradContext& b) {
  const Ref dy = b.out_gradient(0), zero = number(b, dy, 0);
  const Ref on = b.op("OneHot", {b.in(0), b.in(1), b.constant(Value::of<int64_t>(Shape{2}, {0, 1}))},
                      {{"axis", b.attrs().integer("axis", -1)}});
  const Ref hot = b.op("Cast", {on}, {{"to", static_cast<int64_t>(DType::boolean)}});
  const auto total = [&](Ref x) { return reshape(b, b.op("ReduceSum", {x}, {{"keepdims", 0}}), b.ints({1})); };
  b.set_gradient(2, joined(b, {total(where(b, hot, zero, dy)), total(where(b, hot, dy, zero))}));
}

}  // namespace chorus::gradients
