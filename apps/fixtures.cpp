#include "fixtures.h"

#include <core/random.h>
#include <fmt/format.h>

#include <cmath>

namespace chorus::app {
namespace {

constexpr int kOpset = 17;   // read by every engine in use

/// Adds nodes of opset 17 with random weights; every weight tensor has a random stream of its own.
class Builder {
 public:
  Builder(Graph& graph, uint64_t seed) : graph_(graph), seed_(seed) { graph.opsets[""] = kOpset; }

  ValueId input(std::string name, Dims dims, DType dtype = DType::float32) {
    return graph_.add_input(std::move(name), Type::tensor(dtype, std::move(dims)));
  }

  ValueId op(std::string_view type, std::string name, std::vector<ValueId> inputs, Attributes attributes = {},
             std::string_view domain = "") {
    Node node;
    node.op = find_op(domain, type);
    if (node.op != nullptr) node.version = node.op->version_index(domain.empty() ? kOpset : 1);
    node.domain = domain;
    node.type = type;
    node.name = name;
    node.inputs = std::move(inputs);
    node.attributes = std::move(attributes);
    node.outputs = {graph_.add_value(std::move(name))};
    return graph_.node(graph_.add_node(std::move(node))).outputs[0];
  }

  /// Normal with the given deviation around `mean`.
  ValueId weight(std::string name, Shape shape, double deviation, double mean = 0) {
    Value value = Value::tensor(DType::float32, shape);
    auto data = value.as_mutable<float>();
    ++stream_;
    for (size_t i = 0; i < data.size(); ++i)
      data[i] = static_cast<float>(mean + deviation * philox_normal(seed_, stream_, i));
    return graph_.add_constant(std::move(name), std::move(value));
  }
  /// Uniform in [low, high): variances.
  ValueId positive(std::string name, Shape shape, double low, double high) {
    Value value = Value::tensor(DType::float32, shape);
    auto data = value.as_mutable<float>();
    ++stream_;
    for (size_t i = 0; i < data.size(); ++i)
      data[i] = static_cast<float>(low + (high - low) * philox_uniform(seed_, stream_, i));
    return graph_.add_constant(std::move(name), std::move(value));
  }

  ValueId dense(const std::string& name, ValueId x, int64_t in, int64_t out) {
    return op("Gemm", name,
              {x, weight(name + ".weight", {out, in}, std::sqrt(2.0 / static_cast<double>(in))),
               weight(name + ".bias", {out}, 0.05)},
              {{"transB", 1}});
  }
  ValueId conv(const std::string& name, ValueId x, int64_t in, int64_t out, int64_t kernel, int64_t stride = 1,
               int64_t pad = 0, bool bias = true) {
    std::vector<ValueId> operands = {x, weight(name + ".weight", {out, in, kernel, kernel},
                                               std::sqrt(2.0 / static_cast<double>(in * kernel * kernel)))};
    if (bias) operands.push_back(weight(name + ".bias", {out}, 0.05));
    return op("Conv", name, std::move(operands),
              {{"kernel_shape", std::vector<int64_t>{kernel, kernel}},
               {"strides", std::vector<int64_t>{stride, stride}},
               {"pads", std::vector<int64_t>{pad, pad, pad, pad}}});
  }
  ValueId batch_norm(const std::string& name, ValueId x, int64_t channels) {
    return op("BatchNormalization", name,
              {x, weight(name + ".scale", {channels}, 0.1, 1), weight(name + ".bias", {channels}, 0.05),
               weight(name + ".mean", {channels}, 0.1), positive(name + ".var", {channels}, 0.5, 1.5)});
  }
  ValueId layer_norm(const std::string& name, ValueId x, int64_t width) {
    return op("LayerNormalization", name,
              {x, weight(name + ".scale", {width}, 0.1, 1), weight(name + ".bias", {width}, 0.05)}, {{"axis", -1}});
  }
  ValueId numbers(std::string name, const std::vector<int64_t>& list) {
    return graph_.add_constant(std::move(name), Value::of<int64_t>(Shape{static_cast<int64_t>(list.size())}, list));
  }
  ValueId pool(std::string_view type, const std::string& name, ValueId x, int64_t kernel, int64_t stride,
               int64_t pad = 0) {
    return op(type, name, {x},
              {{"kernel_shape", std::vector<int64_t>{kernel, kernel}},
               {"strides", std::vector<int64_t>{stride, stride}},
               {"pads", std::vector<int64_t>{pad, pad, pad, pad}}});
  }
  void output(ValueId id, std::string name, Dims dims) {
    graph_.rename(id, std::move(name));
    graph_.value(id).type = Type::tensor(DType::float32, std::move(dims));
    graph_.value(id).declared = true;
    graph_.add_output(id);
  }

 private:
  Graph& graph_;
  uint64_t seed_, stream_ = 0;
};

void mlp(Graph& graph, uint64_t seed) {
  Builder b(graph, seed);
  ValueId x = b.input("x", {Dim(1), Dim(784)});
  x = b.op("Relu", "relu1", {b.dense("fc1", x, 784, 128)});
  x = b.op("Relu", "relu2", {b.dense("fc2", x, 128, 64)});
  b.output(b.op("Softmax", "softmax", {b.dense("fc3", x, 64, 10)}, {{"axis", -1}}), "probabilities", {Dim(1), Dim(10)});
}

ValueId lenet_body(Builder& b, ValueId x) {
  x = b.pool("MaxPool", "pool1", b.op("Relu", "relu1", {b.conv("conv1", x, 1, 6, 5, 1, 2)}), 2, 2);
  x = b.pool("MaxPool", "pool2", b.op("Relu", "relu2", {b.conv("conv2", x, 6, 16, 5)}), 2, 2);
  x = b.op("Flatten", "flatten", {x}, {{"axis", 1}});
  x = b.op("Relu", "relu3", {b.dense("fc1", x, 400, 120)});
  x = b.op("Relu", "relu4", {b.dense("fc2", x, 120, 84)});
  return b.dense("fc3", x, 84, 10);
}

void lenet(Graph& graph, uint64_t seed) {
  Builder b(graph, seed);
  const ValueId x = b.input("image", {Dim(1), Dim(1), Dim(28), Dim(28)});
  b.output(b.op("Softmax", "softmax", {lenet_body(b, x)}, {{"axis", -1}}), "probabilities", {Dim(1), Dim(10)});
}

void convbnrelu(Graph& graph, uint64_t seed) {
  Builder b(graph, seed);
  ValueId x = b.input("x", {Dim(1), Dim(3), Dim(32), Dim(32)});
  int64_t channels = 3;
  for (int i = 1; i <= 3; ++i) {
    const std::string n = std::to_string(i);
    x = b.op("Relu", "relu" + n, {b.batch_norm("bn" + n, b.conv("conv" + n, x, channels, 16, 3, 1, 1, false), 16)});
    channels = 16;
  }
  b.output(x, "y", {Dim(1), Dim(16), Dim(32), Dim(32)});
}

void branch3(Graph& graph, uint64_t seed) {
  Builder b(graph, seed);
  const ValueId a = b.input("a", {Dim(2), Dim(8)}), c = b.input("b", {Dim(2), Dim(8)}),
                scale = b.input("scale", {Dim(1)});
  const ValueId sum = b.op("Add", "add", {a, c});
  const ValueId left = b.op("Relu", "relu", {b.dense("fc1", sum, 8, 4)});
  const ValueId right = b.op("Mul", "mul", {b.op("Tanh", "tanh", {b.dense("fc2", c, 8, 4)}), scale});
  b.output(left, "left", {Dim(2), Dim(4)});
  b.output(right, "right", {Dim(2), Dim(4)});
}

void dyn(Graph& graph, uint64_t seed) {
  Builder b(graph, seed);
  const Dim batch = Dim::symbol("batch"), length = Dim::symbol("length");
  ValueId x = b.input("tokens", {batch, length, Dim(16)});
  x = b.op("Add", "bias",
           {b.op("MatMul", "project", {x, b.weight("project.weight", {16, 32}, 0.25)}),
            b.weight("project.bias", {32}, 0.1)});
  x = b.op("Softmax", "softmax", {b.op("Relu", "relu", {x})}, {{"axis", -1}});
  const ValueId pooled = b.op("ReduceMean", "pool", {x}, {{"axes", std::vector<int64_t>{1}}, {"keepdims", 0}});
  b.output(x, "each", {batch, length, Dim(32)});
  b.output(pooled, "pooled", {batch, Dim(32)});
}

void dropout(Graph& graph, uint64_t seed) {
  Builder b(graph, seed);
  ValueId x = b.input("x", {Dim(4), Dim(16)});
  x = b.op("Dropout", "dropout", {b.op("Relu", "relu", {b.dense("fc1", x, 16, 32)})});
  b.output(b.dense("fc2", x, 32, 8), "y", {Dim(4), Dim(8)});
}

void customop(Graph& graph, uint64_t seed) {
  Builder b(graph, seed);
  graph.opsets["my"] = 1;
  const Dim batch = Dim::symbol("batch");
  ValueId x = b.input("x", {batch, Dim(8)});
  x = b.op("Swish6", "swish", {b.dense("fc1", x, 8, 8)}, {}, "my");
  b.output(b.op("Neg", "neg", {x}), "y", {batch, Dim(8)});
}

void resnet18(Graph& graph, uint64_t seed) {
  Builder b(graph, seed);
  ValueId x = b.input("image", {Dim(1), Dim(3), Dim(224), Dim(224)});
  const auto block = [&b](const std::string& name, ValueId in, int64_t from, int64_t to, int64_t stride) {
    ValueId y = b.op("Relu", name + ".relu1",
                     {b.batch_norm(name + ".bn1", b.conv(name + ".conv1", in, from, to, 3, stride, 1, false), to)});
    y = b.batch_norm(name + ".bn2", b.conv(name + ".conv2", y, to, to, 3, 1, 1, false), to);
    if (stride != 1 || from != to)
      in = b.batch_norm(name + ".down.bn", b.conv(name + ".down.conv", in, from, to, 1, stride, 0, false), to);
    return b.op("Relu", name + ".relu2", {b.op("Add", name + ".add", {y, in})});
  };
  x = b.op("Relu", "relu", {b.batch_norm("bn1", b.conv("conv1", x, 3, 64, 7, 2, 3, false), 64)});
  x = b.pool("MaxPool", "maxpool", x, 3, 2, 1);
  int64_t from = 64;
  for (int stage = 0; stage < 4; ++stage) {
    const int64_t to = int64_t{64} << stage;
    for (int i = 0; i < 2; ++i) {
      x = block(fmt::format("layer{}.{}", stage + 1, i), x, from, to, i == 0 && stage > 0 ? 2 : 1);
      from = to;
    }
  }
  x = b.op("Flatten", "flatten", {b.op("GlobalAveragePool", "avgpool", {x})}, {{"axis", 1}});
  b.output(b.dense("fc", x, 512, 1000), "logits", {Dim(1), Dim(1000)});
}

void resnet50(Graph& graph, uint64_t seed) {
  Builder b(graph, seed);
  ValueId x = b.input("image", {Dim(1), Dim(3), Dim(224), Dim(224)});
  const auto conv = [&b](const std::string& name, ValueId in, int64_t from, int64_t to, int64_t kernel,
                         int64_t stride) {
    return b.batch_norm(name + ".bn", b.conv(name, in, from, to, kernel, stride, kernel / 2, false), to);
  };
  const auto relu = [&b](const std::string& name, ValueId in) { return b.op("Relu", name, {in}); };
  x = b.pool("MaxPool", "maxpool", relu("relu", conv("conv1", x, 3, 64, 7, 2)), 3, 2, 1);
  constexpr int kBlocks[] = {3, 4, 6, 3};
  int64_t from = 64;
  for (int stage = 0; stage < 4; ++stage) {
    const int64_t inner = int64_t{64} << stage, to = 4 * inner;
    for (int i = 0; i < kBlocks[stage]; ++i) {
      const std::string name = fmt::format("layer{}.{}", stage + 1, i);
      const int64_t stride = i == 0 && stage > 0 ? 2 : 1;
      ValueId y = relu(name + ".relu1", conv(name + ".conv1", x, from, inner, 1, 1));
      y = relu(name + ".relu2", conv(name + ".conv2", y, inner, inner, 3, stride));
      y = conv(name + ".conv3", y, inner, to, 1, 1);
      if (i == 0) x = conv(name + ".down", x, from, to, 1, stride);
      x = relu(name + ".relu3", b.op("Add", name + ".add", {y, x}));
      from = to;
    }
  }
  x = b.op("Flatten", "flatten", {b.op("GlobalAveragePool", "avgpool", {x})}, {{"axis", 1}});
  b.output(b.dense("fc", x, 2048, 1000), "logits", {Dim(1), Dim(1000)});
}

constexpr int64_t kTokens = 16, kVocabulary = 1000, kWidth = 128, kHeads = 2;

/// One layer of an encoder: attention and two dense layers, each with a residual and a normalisation behind it.
ValueId encoder_layer(Builder& b, const std::string& name, ValueId x) {
  const auto dense = [&](const std::string& part, ValueId in, int64_t from, int64_t to) {
    const ValueId product =
        b.op("MatMul", name + part + ".product",
             {in, b.weight(name + part + ".weight", {from, to}, 1 / std::sqrt(static_cast<double>(from)))});
    return b.op("Add", name + part, {product, b.weight(name + part + ".bias", {to}, 0.02)});
  };
  const auto shape = [&](const std::string& part, ValueId in, const std::vector<int64_t>& extents) {
    return b.op("Reshape", name + part, {in, b.numbers(name + part + ".shape", extents)});
  };
  const auto heads = [&](const std::string& part, const std::vector<int64_t>& order) {
    const ValueId split = shape(part + ".split", dense(part, x, kWidth, kWidth), {1, kTokens, kHeads, kWidth / kHeads});
    return b.op("Transpose", name + part + ".heads", {split}, {{"perm", order}});
  };
  const ValueId query = heads(".query", {0, 2, 1, 3}), key = heads(".key", {0, 2, 3, 1}),
                value = heads(".value", {0, 2, 1, 3});
  const ValueId scale = b.weight(name + ".scale", {}, 0, 1 / std::sqrt(static_cast<double>(kWidth / kHeads)));
  const ValueId scores = b.op("Mul", name + ".scores", {b.op("MatMul", name + ".products", {query, key}), scale});
  const ValueId seen =
      b.op("MatMul", name + ".seen", {b.op("Softmax", name + ".attention", {scores}, {{"axis", -1}}), value});
  const ValueId joined =
      shape(".joined", b.op("Transpose", name + ".together", {seen}, {{"perm", std::vector<int64_t>{0, 2, 1, 3}}}),
            {1, kTokens, kWidth});
  x = b.layer_norm(name + ".norm1", b.op("Add", name + ".add1", {dense(".output", joined, kWidth, kWidth), x}), kWidth);
  ValueId inner = dense(".inner", x, kWidth, 4 * kWidth);
  const ValueId erf = b.op("Erf", name + ".erf",
                           {b.op("Mul", name + ".erf_in", {inner, b.weight(name + ".root", {}, 0, std::sqrt(0.5))})});
  const ValueId gate = b.op(
      "Mul", name + ".gate",
      {b.op("Add", name + ".gate_in", {erf, b.weight(name + ".one", {}, 0, 1)}), b.weight(name + ".half", {}, 0, 0.5)});
  inner = dense(".outer", b.op("Mul", name + ".gelu", {inner, gate}), 4 * kWidth, kWidth);
  return b.layer_norm(name + ".norm2", b.op("Add", name + ".add2", {inner, x}), kWidth);
}

void bert_l2(Graph& graph, uint64_t seed) {
  Builder b(graph, seed);
  const ValueId ids = b.input("input_ids", {Dim(1), Dim(kTokens)}, DType::int64);
  const ValueId words = b.op("Gather", "words", {b.weight("words.weight", {kVocabulary, kWidth}, 1), ids});
  ValueId x = b.layer_norm("norm", b.op("Add", "embeddings", {words, b.weight("positions", {1, kTokens, kWidth}, 0.3)}),
                           kWidth);
  for (int i = 0; i < 2; ++i) x = encoder_layer(b, fmt::format("layer{}", i + 1), x);
  const ValueId first = b.op("Gather", "first", {x, b.numbers("first.index", {0})}, {{"axis", 1}});
  const ValueId pooled =
      b.op("Tanh", "pooled", {b.dense("pool", b.op("Flatten", "flatten", {first}, {{"axis", 1}}), kWidth, kWidth)});
  b.output(b.op("Softmax", "softmax", {b.dense("intent", pooled, kWidth, 5)}, {{"axis", -1}}), "probabilities",
           {Dim(1), Dim(5)});
}

constexpr Fixture kFixtures[] = {
    {"mlp", "784 -> 128 -> 64 -> 10, Softmax", &mlp},
    {"lenet", "LeNet-5 on 28 x 28 pictures, Softmax over 10 classes", &lenet},
    {"convbnrelu", "three blocks of Conv, BatchNormalization, Relu", &convbnrelu},
    {"branch3", "three inputs, two outputs", &branch3},
    {"dyn", "dynamic batch and length", &dyn},
    {"dropout", "Dropout at inference", &dropout},
    {"customop", "the custom operator my.Swish6", &customop},
    {"resnet18", "ResNet-18 on 224 x 224 pictures", &resnet18},
    {"bert_l2", "BERT with two layers over 16 tokens, Softmax over 5 intents", &bert_l2},
    {"resnet50", "ResNet-50 on 224 x 224 pictures", &resnet50},
};

}  // namespace

std::span<const Fixture> fixtures() { return kFixtures; }

Model make_fixture(std::string_view name, uint64_t seed) {
  std::string known;
  for (const Fixture& f : kFixtures) {
    known += (known.empty() ? "" : ", ") + std::string(f.name);
    if (f.name != name) continue;
    auto graph = std::make_shared<Graph>();
    graph->name = f.name;
    f.build(*graph, seed);
    Model model;
    model.graph = std::move(graph);
    model.ir_version = 8;
    model.producer_name = "chorus gen";
    model.source = std::string(f.name);
    return model;
  }
  throw Error(Code::not_found, "there is no fixture model \"" + std::string(name) + "\"", {}, "one of " + known);
}

}  // namespace chorus::app
