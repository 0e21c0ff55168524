// What the walk adds to PaddlePaddle's own time per operator: a chain of 10,000 additions of 16 floats as one program, against the same loop of
// paddle::experimental::add, in turns, one thread.
//   paddle_bench [rounds = 15]
#include <chorus/error.h>
#include <engine/engine.h>
#include <graph/infer.h>
#include <paddle/phi/api/include/api.h>

#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

constexpr int kNodes = 10'000;

int64_t thread_ns() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return t.tv_sec * int64_t{1'000'000'000} + t.tv_nsec;
}

chorus::Model chain() {
  using namespace chorus;
  auto graph = std::make_shared<Graph>();
  graph->opsets[""] = newest_opset("");
  ValueId x = graph->add_input("x", Type::tensor(DType::float32, {16}));
  const ValueId one = graph->add_input("one", Type::tensor(DType::float32, {16}));
  for (int i = 0; i < kNodes; ++i) {
    Node n;
    n.type = "Add";
    n.op = find_op("", "Add");
    n.version = static_cast<int>(n.op->versions.size()) - 1;
    n.inputs = {x, one};
    x = graph->add_value(std::to_string(i), {});
    n.outputs = {x};
    graph->add_node(std::move(n));
  }
  graph->add_output(x);
  infer_types(*graph);
  Model model;
  model.graph = std::move(graph);
  return model;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

int bench(int rounds) {
  using namespace chorus;
  const auto program = open_engine("paddle")->compile(chain(), {});
  const auto instance = program->instance();
  const Value zero = Value::of<float>(Shape{16}, std::vector<float>(16, 0.0F)),
              one = Value::of<float>(Shape{16}, std::vector<float>(16, 1.0F));
  std::vector<double> walked, direct;
  for (int round = 0; round < rounds; ++round) {
    std::vector<Value> out(1);
    int64_t begin = thread_ns();
    instance->run(std::vector<Value>{zero, one}, out, {});
    walked.push_back(static_cast<double>(thread_ns() - begin) / kNodes);
    if (out[0].as<float>()[7] != kNodes) return std::printf("the sum is wrong\n"), 1;
    paddle::Tensor x = paddle::experimental::zeros({16}), b = paddle::experimental::ones({16});
    begin = thread_ns();
    for (int i = 0; i < kNodes; ++i) x = paddle::experimental::add(x, b);
    direct.push_back(static_cast<double>(thread_ns() - begin) / kNodes);
  }
  const double a = median(walked), b = median(direct);
  std::printf(
      "per addition of 16 floats: %.0f ns in a program, %.0f ns by itself, difference %.0f ns (at most 2000 are "
      "wanted)\n",
      a, b, a - b);
  return a - b <= 2000 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return bench(argc > 1 ? std::max(1, std::atoi(argv[1])) : 15);
  } catch (const chorus::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 4;
  }
}
