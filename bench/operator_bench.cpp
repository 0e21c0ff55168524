// What an engine that walks the graph costs per operator beyond its library.
//   operator_bench [folder of TensorFlow = .engines/tensorflow] [rounds = 15]
// 10,000 additions of 16 floats in one program against the same loop on TensorFlow's eager interface; prints the least time of each per
// addition in processor time of the calling thread, measured in turns, and the difference.
#include <chorus/error.h>
#include <engine/engine.h>
#include <engine/tensorflow/tensor.h>
#include <ops/op_def.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

using namespace chorus;
namespace tfw = chorus_tensorflow;

constexpr int kOperators = 10'000;

Model chain() {
  auto graph = std::make_shared<Graph>();
  ValueId v = graph->add_input("x", Type::tensor(DType::float32, {16}));
  const ValueId y = graph->add_input("y", Type::tensor(DType::float32, {16}));
  const OpDef* add = find_op("", "Add");
  for (int i = 0; i < kOperators; ++i) {
    Node node;
    node.op = add;
    node.type = "Add";
    node.version = static_cast<int>(add->versions.size()) - 1;
    node.inputs = {v, y};
    node.outputs = {graph->add_value("v")};
    v = graph->node(graph->add_node(std::move(node))).outputs[0];
  }
  graph->rename(v, "sum");
  graph->add_output(v);
  Model model;
  model.graph = std::move(graph);
  return model;
}

double seconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

// The same as a program that knows TensorFlow would write it: one operation object, reset for each call.
double direct(TfeContext* context, const std::vector<float>& x, const std::vector<float>& y) {
  const tfw::Functions& tf = *tfw::tf();
  TfStatus* status = tf.new_status();
  TfeOp* op = tf.new_op(context, "AddV2", status);
  const double begin = seconds();
  TfeHandle* a = nullptr;
  const tfw::Tensor first = tfw::copy_of(tfw::kFloat, {16}, x.data()),
                    second = tfw::copy_of(tfw::kFloat, {16}, y.data());
  for (int i = 0; i < kOperators; ++i) {
    tf.reset_op(op, "AddV2", nullptr, status);
    tf.add_input(op, a == nullptr ? first.get() : a, status);
    tf.add_input(op, second.get(), status);
    TfeHandle* made = nullptr;
    int n = 1;
    tf.execute(op, &made, &n, status);
    if (a != nullptr) tf.delete_handle(a);
    a = made;
  }
  const double spent = seconds() - begin;
  tf.delete_handle(a);
  tf.delete_op(op);
  tf.delete_status(status);
  return spent;
}

int measure(const std::string& folder, int rounds) {
  const auto engine = open_engine("tensorflow");
  const auto program = engine->compile(chain(), {});
  const auto instance = program->instance();
  std::string reason;
  if (!tfw::load_tensorflow(folder, reason)) throw Error(Code::unavailable, reason);
  TfStatus* status = tfw::tf()->new_status();
  TfeOptions* options = tfw::tf()->new_options();
  const char config[] = {0x10, 1, 0x28, 1};  // one thread
  tfw::tf()->set_config(options, config, sizeof config, status);
  TfeContext* context = tfw::tf()->new_context(options, status);
  const std::vector<float> x(16, 1), y(16, 2);
  const std::vector<Value> inputs = {Value::copy_of(DType::float32, Shape{16}, x.data(), 64),
                                     Value::copy_of(DType::float32, Shape{16}, y.data(), 64)};
  double ours = 1e9, theirs = 1e9;
  for (int round = 0; round < rounds; ++round) {
    std::vector<Value> out(1);
    const double begin = seconds();
    instance->run(inputs, out, {});
    ours = std::min(ours, seconds() - begin);
    theirs = std::min(theirs, direct(context, x, y));
  }
  std::printf("per addition: Chorus %.3f us, TensorFlow alone %.3f us, difference %.3f us\n", ours / kOperators * 1e6,
              theirs / kOperators * 1e6, (ours - theirs) / kOperators * 1e6);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return measure(argc > 1 ? argv[1] : ".engines/tensorflow", argc > 2 ? std::atoi(argv[2]) : 15);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
