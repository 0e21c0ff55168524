// Gradients of operators that were registered at run time: their rule emits a row of its own, whose kernel calls the user's function.
#include <ops/gradients/support.h>
#include <runtime/custom_record.h>

#include <fmt/format.h>

#include <cstring>
#include <exception>

namespace chorus::custom {
namespace {

/// "{alpha: float = 1.0}" of a signature, or nothing.
std::string_view attributes_of(std::string_view signature) {
  const size_t begin = signature.find('{'), end = signature.find('}');
  return begin == std::string_view::npos || end < begin ? std::string_view() : signature.substr(begin, end + 1 - begin);
}

/// How many outputs the operator has whose gradients a node of the row computes.
int outputs_of(int operands, int results) { return (operands - results) / 2; }

void rule(GradContext& b) {
  const Record* record = find(b.op());
  if (record == nullptr) b.fail(Code::internal, "the custom operator has no record");
  std::vector<Ref> operands;
  for (int i = 0; i < b.outputs(); ++i) operands.push_back(gradients::gradient_or_zeros(b, i));
  for (int i = 0; i < b.inputs(); ++i) operands.push_back(b.has_input(i) ? b.in(i) : Ref{});
  for (int i = 0; i < b.outputs(); ++i) operands.push_back(b.out(i));
  b.next(record->def.domain, record->gradient_version.since);
  const std::vector<Ref> found = b.emit(record->gradient_name, operands, b.attrs().all(), b.inputs());
  for (int i = 0; i < b.inputs(); ++i) {
    if (b.wanted(i)) b.set_gradient(i, found[static_cast<size_t>(i)]);
  }
}

/// A gradient is like its operand; that of an omitted one is empty.
void infer(ShapeContext& c) {
  const int first = outputs_of(c.inputs(), c.outputs());
  for (int i = 0; i < c.outputs(); ++i) {
    const bool there = c.has_input(first + i);
    if (there && !c.input(first + i).is_tensor())
      c.fail(Code::unsupported, fmt::format("operand {} is {}: gradients of custom operators are for tensors", i,
                                            c.input(first + i).str()));
    c.set_output(i, there ? c.input(first + i) : Type::tensor(DType::float32, Dims{0}));
  }
}

Cost cost(const CostContext& c) {
  Cost all;
  for (int i = 0; i < c.inputs(); ++i) all.bytes_read += c.count(false, i) * dtype_bits(c.dtype(false, i)) / 8;
  for (int i = 0; i < c.outputs(); ++i) all.bytes_written += c.count(true, i) * dtype_bits(c.dtype(true, i)) / 8;
  return all;
}

Status run(const Record& record, native::KernelContext& c) {
  const int y = outputs_of(c.n_in, c.n_out);
  std::vector<api::CustomTensor> inputs, outputs, from, to;
  const auto operand = [&](int i) {
    api::CustomTensor t = tensor_of(c.in[i]);
    t.data = c.in[i].data;
    return t;
  };
  for (int i = 0; i < y; ++i) from.push_back(operand(i));
  for (int i = 0; i < c.n_out; ++i) inputs.push_back(operand(y + i));
  for (int i = 0; i < y; ++i) outputs.push_back(operand(y + c.n_out + i));
  for (int i = 0; i < c.n_out; ++i) {
    api::CustomTensor t = inputs[static_cast<size_t>(i)];
    t.data = nullptr;
    if (c.wants(i) && c.out[i].data != nullptr) {
      std::memset(c.out[i].data, 0, static_cast<size_t>((c.out[i].count * dtype_bits(c.out[i].dtype) + 7) / 8));
      if (is_float(t.dtype) || is_complex(t.dtype)) t.out = c.out[i].data;
    }
    to.push_back(std::move(t));
  }
  const std::string problem = record.op.gradient(inputs, outputs, from, to, numbers_of(*c.attrs));
  return problem.empty() ? Status{} : Status::error(Code::bad_input, "%s", problem.c_str());
}

}  // namespace

Status run_gradient(native::KernelContext& c) noexcept {
  try {
    const Record* record = find(c.attrs->schema());
    if (record == nullptr) return Status::error(Code::internal, "the custom operator has no record");
    return run(*record, c);
  } catch (const Error& error) {
    return Status::error(error.code(), "%s", error.message().c_str());
  } catch (const std::exception& error) {
    return Status::error(Code::internal, "the gradient of the custom operator threw: %s", error.what());
  } catch (...) {
    return Status::error(Code::internal, "the gradient of the custom operator threw");
  }
}

void complete_gradient(Record& r) {
  const std::string label = r.op.domain + "." + r.op.name;
  if (r.op.gradient && !r.op.no_gradient.empty())
    throw Error(Code::bad_input, "RegisterOp: " + label + " has a gradient and a reason for having none");
  if (!r.op.gradient) {
    if (r.op.no_gradient.empty())
      r.def.gradient = Gradient{NotDerived{}};
    else
      r.def.gradient = Gradient{NoGradient{r.op.no_gradient}};
    return;
  }
  r.def.gradient = Gradient{Vjp{&rule}};
  r.gradient_name = r.op.name + "Gradient";
  r.gradient_signature =
      fmt::format("(T1+~ operands) -> (T2+~ gradients) {}; T1 = any; T2 = any", attributes_of(r.op.signature));
  r.gradient_version = {r.op.version, r.gradient_signature};
  OpDef& d = r.gradient_def;
  d.name = r.gradient_name;
  d.domain = r.op.domain;
  d.origin = Origin::chorus_gradient;
  d.api = {r.gradient_name, Form::hidden};
  d.versions = {&r.gradient_version, 1};
  d.infer = &infer;
  d.gradient = Gradient{NotDerived{}};
  d.meaning = Primitive{"the gradient of a custom operator"};
  d.cost = &cost;
  d.doc = "The gradient of a custom operator.";
}

}  // namespace chorus::custom
