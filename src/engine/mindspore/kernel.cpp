// The only file that sees MindSpore's headers.
#include "kernel.h"

#include <cstring>
#include <map>
#include <mutex>
#include <unordered_map>

#include "actor/actormgr.h"
#include "kernel/cpu/cpu_kernel.h"
#include "utils/log_adapter.h"
#include "utils/ms_exception.h"

namespace chorus_mindspore {
namespace {

namespace ms = mindspore;
using ms::kernel::KernelAttr;
using ms::kernel::KernelTensor;
using ms::kernel::NativeCpuKernelMod;
using Module = std::shared_ptr<NativeCpuKernelMod>;

constexpr size_t kMostKernels = 2048;   // of one runner
constexpr int kSilent = 5;              // above every level of its log

struct Pair {
  int onnx;
  ms::TypeId id;
};
constexpr Pair kTypes[] = {{kFloat, ms::kNumberTypeFloat32},       {kUint8, ms::kNumberTypeUInt8},
                           {kInt8, ms::kNumberTypeInt8},           {kUint16, ms::kNumberTypeUInt16},
                           {kInt16, ms::kNumberTypeInt16},         {kInt32, ms::kNumberTypeInt32},
                           {kInt64, ms::kNumberTypeInt64},         {kBool, ms::kNumberTypeBool},
                           {kHalf, ms::kNumberTypeFloat16},        {kDouble, ms::kNumberTypeFloat64},
                           {kUint32, ms::kNumberTypeUInt32},       {kUint64, ms::kNumberTypeUInt64},
                           {kComplex64, ms::kNumberTypeComplex64}, {kComplex128, ms::kNumberTypeComplex128},
                           {kBfloat16, ms::kNumberTypeBFloat16}};

ms::TypeId id_of(int type) {
  for (const Pair& p : kTypes) {
    if (p.onnx == type) return p.id;
  }
  return ms::kTypeUnknown;
}
int type_of(ms::TypeId id) {
  for (const Pair& p : kTypes) {
    if (p.id == id) return p.onnx;
  }
  return kNoType;
}

Module new_module(const std::string& name) { return ms::kernel::Factory<NativeCpuKernelMod>::Instance().Create(name); }

// What MindSpore says, its first line without the reports behind it.
std::string words_of(const char* said) {
  std::string text(said);
  text.resize(std::min(text.find("\n\n-----"), text.size()));
  text.resize(std::min(text.find("\n\n("), text.size()));
  for (char& c : text) c = c == '\n' ? ' ' : c;
  return text;
}

// The types of one kernel: (of operand `operand`, of result 0). Forms with tensors of several types (it would promote) are left out where
// there is one without.
std::vector<std::pair<int, int>> types_of(const std::string& name, size_t operand) {
  std::vector<std::pair<int, int>> types;
  try {
    const Module module = new_module(name);
    if (!module) return types;
    for (const KernelAttr& form : module->GetOpSupport()) {
      if (form.GetInputSize() <= operand || form.GetOutputSize() == 0) continue;
      const auto taken = form.GetInputAttr(operand).dtype;
      const auto& second = form.GetInputSize() > 1 ? form.GetInputAttr(1) : form.GetInputAttr(0);
      const bool mixed = operand == 0 && second.object_type == ms::kObjectTypeTensorType && second.dtype != taken;
      const auto pair = std::make_pair(type_of(taken), type_of(form.GetOutputAttr(0).dtype));
      mixed ? types.push_back(pair) : (void)types.insert(types.begin(), pair);
    }
    // A kernel without a list looks at its operands when it is made; all of them are oneDNN's.
    if (types.empty()) types.emplace_back(kFloat, kFloat);
  } catch (const std::exception&) {
    types.clear();
  }
  return types;
}

const std::vector<std::pair<int, int>>& known_types(std::string_view kernel) {
  static std::mutex lock;
  static std::map<std::string, std::vector<std::pair<int, int>>, std::less<>> known;  // one entry per text in the table
  std::lock_guard guard(lock);
  const auto found = known.find(kernel);
  if (found != known.end()) return found->second;
  const size_t colon = kernel.find(':');
  const size_t operand = colon == std::string_view::npos ? 0 : static_cast<size_t>(kernel[colon + 1] - '0');
  return known.emplace(std::string(kernel), types_of(std::string(kernel.substr(0, colon)), operand)).first->second;
}

Types types_taken(std::string_view kernel) {
  Types types = 0;
  for (const auto& [taken, made] : known_types(kernel)) types |= taken == kNoType ? 0 : type_bit(taken);
  return types;
}

ms::ValuePtr value_of(const Value& v) {
  switch (v.kind) {
    case Value::Kind::flag: return ms::MakeValue(v.flag);
    case Value::Kind::integer: return ms::MakeValue(v.integer);
    case Value::Kind::real: return ms::MakeValue(v.real);
    case Value::Kind::text: return ms::MakeValue(v.text);
    case Value::Kind::list: return ms::MakeValue(v.list);
    default: return ms::kNone;
  }
}

std::shared_ptr<KernelTensor> tensor_of(int type, const Ints& dims) {
  const ms::TypePtr element = ms::TypeIdToType(id_of(type));
  auto address = std::make_shared<ms::device::DeviceAddress>(
      nullptr, static_cast<size_t>(count_of(dims)) * type_bytes(type), ms::device::DeviceType::kCPU);
  return std::make_shared<KernelTensor>(address, nullptr, std::make_shared<ms::abstract::TensorShape>(dims),
                                        std::make_shared<ms::TensorType>(element), nullptr);
}

std::shared_ptr<KernelTensor> operand_of(const Value& v) {
  if (v.kind == Value::Kind::tensor) return tensor_of(v.tensor.type(), v.tensor.dims());
  auto address = std::make_shared<ms::device::DeviceAddress>(nullptr, 0, ms::device::DeviceType::kCPU);
  ms::abstract::BaseShapePtr shape = ms::abstract::kNoShape;
  ms::ValuePtr value = value_of(v);
  ms::TypePtr type = v.kind == Value::Kind::none ? ms::TypePtr(ms::kTypeNone) : value->type();
  if (v.kind == Value::Kind::list) {
    std::vector<ms::abstract::BaseShapePtr> none(v.list.size(), ms::abstract::kNoShape);
    std::vector<ms::TypePtr> types(v.list.size(), ms::kInt64);
    shape = std::make_shared<ms::abstract::TupleShape>(none);
    type = std::make_shared<ms::Tuple>(types);
  }
  auto made = std::make_shared<KernelTensor>(address, nullptr, shape, type, value);
  if (v.kind == Value::Kind::list) made->set_dtype_id(ms::kNumberTypeInt64);
  if (v.kind != Value::Kind::none && !(v.kind == Value::Kind::list && v.list.empty())) {
    made->set_device_ptr(const_cast<void*>(made->GetValuePtr()));
  }
  return made;
}

struct Kernel {
  Module module;
  std::vector<std::shared_ptr<KernelTensor>> tensors;  // operands and results
  std::vector<KernelTensor*> in, out, work;
  std::vector<std::shared_ptr<KernelTensor>> scratch_tensors;
  std::vector<std::shared_ptr<char>> scratch;
  bool finds_shapes = false;
};

void append(std::string& key, const void* data, size_t bytes) { key.append(static_cast<const char*>(data), bytes); }
template <class T>
void append(std::string& key, T value) {
  append(key, &value, sizeof value);
}
void append(std::string& key, const Ints& list) {
  append(key, list.size());
  append(key, list.data(), list.size() * sizeof(int64_t));
}

void append(std::string& key, const Value& v) {
  key += static_cast<char>(v.kind);
  switch (v.kind) {
    case Value::Kind::flag: key += v.flag ? '1' : '0'; break;
    case Value::Kind::integer: append(key, v.integer); break;
    case Value::Kind::real: append(key, v.real); break;
    case Value::Kind::text: append(key, v.text.size()), key += v.text; break;
    case Value::Kind::list: append(key, v.list); break;
    case Value::Kind::tensor: key += static_cast<char>(v.tensor.type()), append(key, v.tensor.dims()); break;
    default: break;
  }
}

// Of the threads that kernels without a pool of their own use; the first number asked for holds for the process.
void start_inner_pool(int threads) {
  static std::once_flag once;
  std::call_once(once, [&] { ms::ActorMgr::GetActorMgrRef()->Initialize(true, 1, static_cast<size_t>(threads)); });
}

ms::ThreadPool* pool_of(int threads) {
  static std::mutex lock;
  static std::map<int, ms::ThreadPool*>
      pools;  // as many as numbers of threads were asked for; they live as long as the process
  std::lock_guard guard(lock);
  start_inner_pool(threads);
  ms::ThreadPool*& pool = pools[threads];
  if (pool == nullptr) {
    pool = ms::ThreadPool::CreateThreadPool(static_cast<size_t>(threads));
    if (pool == nullptr) throw Failure(CH_BUDGET, "MindSpore's threads do not start", "use fewer threads");
    pool->SetKernelThreadNum(static_cast<size_t>(threads));
  }
  return pool;
}

}  // namespace

struct Kept {
  ms::ThreadPool* pool = nullptr;
  std::unordered_map<std::string, Kernel> kernels;
  std::string key;

  static void key_of(const Op& op, std::string& key) {
    key.assign(op.name_);
    for (const Value& v : op.operands_) append(key, v);
    for (const auto& [name, v] : op.attributes_) key.append(name), append(key, v);
    for (const auto& [type, dims] : op.results_) key += static_cast<char>(type), append(key, dims);
  }

  Kernel make(const Op& op) const {
    Kernel made;
    made.module = new_module(op.name_);
    if (!made.module)
      throw Failure(CH_UNSUPPORTED, std::string("MindSpore has no kernel ") + op.name_,
                    "use another engine, such as native");
    for (const Value& v : op.operands_) made.in.push_back(made.tensors.emplace_back(operand_of(v)).get());
    for (const auto& [type, dims] : op.results_)
      made.out.push_back(made.tensors.emplace_back(tensor_of(type, dims)).get());
    auto primitive = std::make_shared<ms::Primitive>(op.name_);
    for (const auto& [name, v] : op.attributes_) primitive->AddAttr(name, value_of(v));
    made.module->SetThreadPool(pool);
    // Some kernels look at constant operands, which lie in memory.
    place(made, op, {});
    auto& base = static_cast<ms::kernel::KernelMod&>(*made.module);
    if (!base.Init(primitive, made.in, made.out))
      throw Failure(CH_UNSUPPORTED, std::string("MindSpore's ") + op.name_ + " does not take these operands",
                    "use another engine, such as native");
    made.finds_shapes = made.module->IsNeedUpdateOutputShapeAndSize();
    const int resized = made.module->Resize(made.in, made.out);
    if (resized != ms::kernel::KRET_OK && !(made.finds_shapes && resized == ms::kernel::KRET_UNKNOWN_OUT_SHAPE))
      throw Failure(CH_BAD_INPUT, std::string("MindSpore's ") + op.name_ + " does not take these shapes");
    for (size_t bytes : made.module->GetWorkspaceSizeList()) {
      made.scratch.push_back(new_memory(bytes));
      auto address =
          std::make_shared<ms::device::DeviceAddress>(made.scratch.back().get(), bytes, ms::device::DeviceType::kCPU);
      made.work.push_back(made.scratch_tensors.emplace_back(std::make_shared<KernelTensor>(address)).get());
    }
    return made;
  }

  static void place(Kernel& kernel, const Op& op, const Tensors& results) {
    for (size_t i = 0; i < op.operands_.size(); ++i) {
      if (op.operands_[i].kind == Value::Kind::tensor) kernel.in[i]->set_device_ptr(op.operands_[i].tensor.data());
    }
    for (size_t i = 0; i < results.size(); ++i) kernel.out[i]->set_device_ptr(results[i].data());
  }

  static void launch(Kernel& kernel, const Op& op, Tensors& results) {
    place(kernel, op, results);
    if (kernel.finds_shapes) {
      for (size_t i = 0; i < results.size(); ++i) kernel.out[i]->SetShapeVector(results[i].dims());
    }
    const bool done = kernel.module->Launch(kernel.in, kernel.work, kernel.out, nullptr);
    ms::MsException::Instance().CheckException();
    if (!done) throw Failure(CH_BAD_INPUT, std::string("MindSpore's ") + op.name_ + " failed");
    if (!kernel.finds_shapes) return;
    kernel.module->UpdateOutputShapeAndSize(kernel.in, kernel.out);
    for (size_t i = 0; i < results.size(); ++i) results[i] = results[i].viewed(kernel.out[i]->GetShapeVector());
  }

  void run(const Op& op, Tensors& results) {
    key_of(op, key);
    auto found = kernels.find(key);
    if (found == kernels.end()) {
      if (kernels.size() >= kMostKernels) kernels.clear();
      found = kernels.emplace(key, make(op)).first;
    }
    try {
      launch(found->second, op, results);
    } catch (...) {
      kernels.erase(found);  // it may be in any state
      throw;
    }
  }
};

Types kernel_types(std::string_view kernels) {
  Types types = ~Types{0};
  for (std::string_view rest = kernels; !rest.empty();) {
    const size_t comma = rest.find(',');
    Types any = 0;
    for (std::string_view one = rest.substr(0, comma); !one.empty();) {
      const size_t bar = one.find('|');
      any |= types_taken(one.substr(0, bar));
      one = bar == std::string_view::npos ? std::string_view() : one.substr(bar + 1);
    }
    types &= any;
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
  }
  return types;
}

int kernel_result(std::string_view kernel, int type) {
  for (const auto& [taken, made] : known_types(kernel)) {
    if (taken == type) return made;
  }
  return kNoType;
}

void start_mindspore() {
  for (int i = 0; i < static_cast<int>(ms::NUM_SUBMODUES); ++i) ms::g_ms_submodule_log_levels[i] = kSilent;
}

Runner::Runner(int threads) : kept_(std::make_unique<Kept>()) { kept_->pool = pool_of(threads); }
Runner::~Runner() = default;

Op& Op::in(const Tensor& t) {
  Value& v = operands_.emplace_back();
  v.kind = Value::Kind::tensor;
  v.tensor = t;
  return *this;
}
Op& Op::none() {
  operands_.emplace_back();
  return *this;
}

namespace {
Value flag_of(bool value) {
  Value v;
  v.kind = Value::Kind::flag, v.flag = value;
  return v;
}
Value integer_of(int64_t value) {
  Value v;
  v.kind = Value::Kind::integer, v.integer = value;
  return v;
}
Value real_of(double value) {
  Value v;
  v.kind = Value::Kind::real, v.real = static_cast<float>(value);
  return v;
}
Value text_of(std::string_view value) {
  Value v;
  v.kind = Value::Kind::text, v.text = std::string(value);
  return v;
}
Value list_of(const Ints& value) {
  Value v;
  v.kind = Value::Kind::list, v.list = value;
  return v;
}
}  // namespace

Op& Op::flag(bool value) { return operands_.push_back(flag_of(value)), *this; }
Op& Op::i(int64_t value) { return operands_.push_back(integer_of(value)), *this; }
Op& Op::f(double value) { return operands_.push_back(real_of(value)), *this; }
Op& Op::text(std::string_view value) { return operands_.push_back(text_of(value)), *this; }
Op& Op::ints(const Ints& value) { return operands_.push_back(list_of(value)), *this; }
Op& Op::set_flag(const char* name, bool value) { return attributes_.emplace_back(name, flag_of(value)), *this; }
Op& Op::set_i(const char* name, int64_t value) { return attributes_.emplace_back(name, integer_of(value)), *this; }
Op& Op::set_f(const char* name, double value) { return attributes_.emplace_back(name, real_of(value)), *this; }
Op& Op::set_text(const char* name, std::string_view value) {
  return attributes_.emplace_back(name, text_of(value)), *this;
}
Op& Op::set_ints(const char* name, const Ints& value) { return attributes_.emplace_back(name, list_of(value)), *this; }

Op& Op::makes(int type, const Ints& dims) {
  results_.emplace_back(type, dims);
  return *this;
}

Tensor Op::one(int type, const Ints& dims) {
  makes(type, dims);
  return some()[0];
}

Tensors Op::some() {
  Tensors results;
  int64_t elements = 0;
  for (const auto& [type, dims] : results_) elements += results.emplace_back(type, dims).count();
  if (elements == 0) return results;  // kernels refuse to be launched for nothing
  try {
    runner_.kept().run(*this, results);
  } catch (const Failure&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& e) {
    throw Failure(CH_BAD_INPUT, std::string("MindSpore's ") + name_ + ": " + words_of(e.what()));
  }
  return results;
}

}  // namespace chorus_mindspore
