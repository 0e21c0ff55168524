#include <chorus/call.h>
#include <tensor/call.h>

#include <fmt/format.h>

#include <cmath>

namespace chorus {
namespace {

AttrValue number_of(const Schema& schema, const std::string& label, const std::string& name, double value) {
  const Attr* attribute = schema.attribute(name);
  if (attribute == nullptr || (attribute->kind != AttrKind::integer && attribute->kind != AttrKind::real)) {
    throw Error(Code::bad_input,
                fmt::format("{}: {} \"{}\"", label,
                            attribute == nullptr ? "it has no attribute" : "no number is taken by", name),
                {}, "its signature is " + schema.str());
  }
  if (attribute->kind == AttrKind::real) return static_cast<float>(value);
  if (!(std::abs(value) < 0x1p53) || value != std::floor(value))
    throw Error(Code::bad_input, fmt::format("{}: attribute \"{}\" is {}", label, name, value), {}, "give an integer");
  return static_cast<int64_t>(value);
}

}  // namespace

std::vector<Tensor> call_operator(const std::string& domain, const std::string& name, const std::vector<Tensor>& inputs,
                                  const std::map<std::string, double>& attributes, int outputs) {
  const std::string label = domain.empty() ? name : domain + "." + name;
  const OpDef* op = find_op(domain, name);
  if (op == nullptr)
    throw Error(Code::not_found, label + ": there is no such operator", {},
                "register it with api::RegisterOp, or load its plug-in");
  Attributes given;
  for (const auto& [key, value] : attributes) given.set(key, number_of(op->newest(), label, key, value));
  Operands operands;
  operands.add(inputs);
  return call_many(*op, operands, std::move(given), outputs);
}

}  // namespace chorus
