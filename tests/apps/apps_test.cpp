// The command as a user calls it: forms, exit status, messages.
#include "command.h"

#include "../../apps/fixtures.h"
#include "support/proves.h"

#include <chorus/model.h>
#include <chorus/predictor.h>
#include <core/random.h>
#include <format/npz/npz.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iomanip>
#include <regex>

namespace chorus::testing {
namespace {

using Json = nlohmann::json;

std::string model(const std::string& name) {
  const auto path = scratch() / (name + ".onnx");
  if (!std::filesystem::exists(path)) {
    const Done done = chorus_command("gen " + name);
    EXPECT_EQ(done.status, 0) << done.err;
  }
  return path.string();
}

Value noise(const Shape& shape, uint64_t stream) {
  Value value = Value::tensor(DType::float32, shape);
  auto data = value.as_mutable<float>();
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<float>(philox_normal(1, stream, i));
  return value;
}

TEST(Command, RunReadsAndWritesNpz) {
  const std::string path = model("branch3");
  const NamedValues feeds = {{"a", noise({2, 8}, 1)}, {"b", noise({2, 8}, 2)}, {"scale", noise({1}, 3)}};
  write_npz((scratch() / "feeds.npz").string(), feeds);
  write_npy((scratch() / "a.npy").string(), feeds[0].second);
  const Done done =
      chorus_command("run " + path + " --input feeds.npz --output out.npz --tap all --optimize 0 --threads 1");
  ASSERT_EQ(done.status, 0) << done.err;
  const NamedValues all = read_npz((scratch() / "out.npz").string());
  const auto find = [&](const NamedValues& list, const std::string& name) {
    for (const auto& [key, value] : list) {
      if (key == name) return value;
    }
    return Value();
  };
  for (const char* name : {"left", "right", "add", "fc1", "fc2", "tanh"}) EXPECT_TRUE(find(all, name)) << name;
  const auto sum = find(all, "add").as<float>(), a = feeds[0].second.as<float>(), b = feeds[1].second.as<float>();
  for (size_t i = 0; i < 16; ++i) EXPECT_EQ(sum[i], a[i] + b[i]);
  const auto right = find(all, "right").as<float>(), tanh = find(all, "tanh").as<float>();
  for (size_t i = 0; i < 8; ++i) EXPECT_FLOAT_EQ(right[i], tanh[i] * feeds[2].second.as<float>()[0]);

  // The same by single files, one array from the .npz, and a subset of the outputs that needs no "scale".
  ASSERT_EQ(
      chorus_command("run " + path + " --input a=a.npy --input b=feeds.npz --outputs left --output part.npz").status,
      0);
  const NamedValues part = read_npz((scratch() / "part.npz").string());
  ASSERT_EQ(part.size(), 1u);
  EXPECT_TRUE(part[0].second.identical(find(all, "left")) ||
              std::fabs(part[0].second.as<float>()[0] - find(all, "left").as<float>()[0]) < 1e-5);
  const Done json = chorus_command("run " + path + " --input feeds.npz --json");
  const Json outputs = Json::parse(json.out).at("outputs");
  ASSERT_EQ(outputs.size(), 2u);
  for (const Json& output : outputs) {
    const std::vector<double> values = output.at("values"), wanted = find(all, output.at("name")).to_doubles();
    ASSERT_EQ(values.size(), wanted.size());
    for (size_t i = 0; i < values.size(); ++i) EXPECT_FLOAT_EQ(values[i], wanted[i]);
  }
}

TEST(Command, BenchPrintsTheOneLine) {
  const Done done = chorus_command("bench " + model("mlp") + " --seconds 0.05 --threads 1");
  EXPECT_EQ(done.status, 0) << done.err;
  EXPECT_TRUE(std::regex_match(
      done.out, std::regex(R"(ms=[0-9.]+ min=[0-9.]+ p99=[0-9.]+ load_ms=[0-9.]+ rss_mb=[0-9.]+ engine=native\n)")))
      << done.out;
  const Json json = Json::parse(chorus_command("bench " + model("mlp") + " --seconds 0.05 --json").out);
  EXPECT_LE(json.at("min").get<double>(), json.at("ms").get<double>());
  EXPECT_LE(json.at("ms").get<double>(), json.at("p99").get<double>());
}

TEST(Command, InspectSaysWhatTheGeneratorMeant) {
  for (const char* name : {"lenet", "branch3", "dyn"}) {
    const Done done = chorus_command("inspect " + model(name) + " --json");
    ASSERT_EQ(done.status, 0) << done.err;
    const Json json = Json::parse(done.out);
    const Model made = app::make_fixture(name);
    const auto order = made.graph->order();
    ASSERT_EQ(json.at("nodes").size(), order.size());
    for (size_t i = 0; i < order.size(); ++i) EXPECT_EQ(json["nodes"][i]["op"], made.graph->node(order[i]).type);
    const auto ports = [&](const Json& list, std::span<const ValueId> ids) {
      ASSERT_EQ(list.size(), ids.size());
      for (size_t i = 0; i < ids.size(); ++i) {
        const GraphValue& v = made.graph->value(ids[i]);
        EXPECT_EQ(list[i]["name"], v.name);
        EXPECT_EQ(list[i]["dtype"], "float32");
        ASSERT_EQ(list[i]["dims"].size(), v.type.dims.size());
        for (size_t d = 0; d < v.type.dims.size(); ++d) EXPECT_EQ(list[i]["dims"][d], v.type.dims[d].str());
      }
    };
    ports(json["inputs"], made.graph->inputs());
    ports(json["outputs"], made.graph->outputs());
    const std::string bytes = text_of(model(name));
    size_t at = 0;
    const auto read = [&](void* buffer, size_t n) {
      n = std::min(n, bytes.size() - at);
      std::memcpy(buffer, bytes.data() + at, n);
      at += n;
      return n;
    };
    for (const api::Model& m : {api::Model::Load(model(name)), api::Model::LoadBuffer(bytes.data(), bytes.size()),
                                api::Model::LoadCallback(read)}) {
      std::ostringstream hash;
      hash << std::hex << std::setfill('0') << std::setw(16) << m.graph_hash();
      EXPECT_EQ(json["hash"], hash.str()) << name;
    }
  }
  proves("E-MOD-01");
  const Done drawn = chorus_command("inspect " + model("branch3") + " --svg picture.svg");
  ASSERT_EQ(drawn.status, 0);
  EXPECT_EQ(drawn.out, "picture.svg\n");
  const std::string svg = text_of(scratch() / "picture.svg");
  for (const char* word : {"<svg ", "</svg>", ">Gemm<", ">Tanh<", ">scale<", ">right<"})
    EXPECT_NE(svg.find(word), std::string::npos) << word;
}

TEST(Command, IrEnginesDevicesOps) {
  for (const char* level : {"graph", "plan", "kernel"}) {
    const Done done = chorus_command("ir " + model("convbnrelu") + " --level " + level);
    EXPECT_EQ(done.status, 0) << done.err;
    EXPECT_NE(done.out.find("Conv"), std::string::npos) << level;
  }
  EXPECT_NE(chorus_command("ir " + model("convbnrelu") + " --raw").out.find("BatchNormalization"), std::string::npos);
  EXPECT_EQ(chorus_command("ir " + model("convbnrelu")).out.find("BatchNormalization"), std::string::npos);  // folded
  bool native = false;
  for (const Json& e : Json::parse(chorus_command("engines --json").out)) {
    native = native || (e.at("name") == "native" && e.at("available") == true &&
                        !e.at("version").get<std::string>().empty() && e.contains("reason"));
  }
  EXPECT_TRUE(native);
  EXPECT_EQ(Json::parse(chorus_command("devices --json").out).at(0).at("name"), "cpu");
  EXPECT_GT(Json::parse(chorus_command("ops --json").out).size(), 150u);
  EXPECT_EQ(chorus_command("check " + model("lenet")).status, 0);
}

struct Wrong {
  const char* arguments;
  int status;
  const char* said;  // on stderr
};

TEST(Command, ErrorsAreOneLineAndTheRightStatus) {
  for (const char* name : {"mlp", "branch3", "customop", "lenet"}) model(name);
  std::filesystem::copy_file(scratch() / "lenet.onnx", scratch() / "cut.onnx",
                             std::filesystem::copy_options::overwrite_existing);
  std::filesystem::resize_file(scratch() / "cut.onnx", 5000);
  write_npy((scratch() / "small.npy").string(), noise({1, 3}, 1));
  write_npy((scratch() / "text.npy").string(), Value::strings(Shape{1}, std::vector<std::string>{"a"}));
  const Wrong all[] = {
      {"run nowhere.onnx", 3, "nowhere.onnx"},
      {"run cut.onnx --random", 3, "bytes"},
      {"run mlp.onnx", 3, "input \"x\" was given no data"},
      {"run mlp.onnx --threads 1", 3, "--input x=FILE.npy gives data, --random random numbers"},
      {"run customop.onnx --random", 4, "Swish6"},
      {"run mlp.onnx --input y=small.npy", 3, "no input \"y\""},
      {"run mlp.onnx --input x=small.npy", 3, "input \"x\""},
      {"run mlp.onnx --input x=text.npy", 3, "\"x\""},
      {"run mlp.onnx --input x=nowhere.npy", 3, "nowhere.npy"},
      {"run mlp.onnx --input nothing", 3, "nothing"},
      {"run mlp.onnx --random --outputs up", 3, "\"up\""},
      {"run mlp.onnx --random --engine abacus", 3, "abacus"},
      {"run mlp.onnx --random --device cuda:0", 4, "cuda:0"},
      {"run mlp.onnx --random --threads 0", 2, "--threads"},
      {"run mlp.onnx --random --precision f64", 2, "--precision"},
      {"run", 2, "MODEL"},
      {"sing", 2, ""},
      {"bench cut.onnx", 3, "bytes"},
      {"task ocr cut.onnx", 3, "picture"},
      {"task ocr nowhere.png", 3, "nowhere.png"},
      {"gen nobody", 3, "nobody"},
      {"convert mlp.onnx mlp.xyz", 4, "mlp.xyz"},
      {"inspect cut.onnx", 3, "bytes"},
      {"inspect nowhere.onnx", 3, "nowhere.onnx"},
      {"bench nowhere.onnx", 3, "nowhere.onnx"},
      {"ir nowhere.onnx", 3, "nowhere.onnx"},
      {"ir mlp.onnx --level up", 2, "--level"},
      {"convert nowhere.onnx out.onnx", 3, "nowhere.onnx"},
      {"conformance nowhere", 3, "nowhere"},
      {"completion fish", 2, "fish"},
      {"explain nowhere.onnx", 3, "nowhere.onnx"},
      {"explain cut.onnx", 3, "bytes"},
      {"explain mlp.onnx --engine abacus", 3, "abacus"},
      {"compare mlp.onnx --engines native", 4, "only one engine"},
      {"compare mlp.onnx --engines native,abacus", 3, "abacus"},
      {"compare mlp.onnx --engines example,native", 4, "example cannot run"},
      {"compare mlp.onnx --tap some", 2, "--tap"},
      {"compare cut.onnx --engines native,example", 3, "bytes"},
      {"check nowhere.onnx", 3, "nowhere.onnx"},
      {"check cut.onnx", 3, "bytes"},
      {"check mlp.onnx --engines abacus", 3, "abacus"},
      {"check mlp.onnx --input x=nowhere.npy", 3, "nowhere.npy"},
  };
  for (const Wrong& w : all) {
    const Done done = chorus_command(w.arguments);
    EXPECT_EQ(done.status, w.status) << w.arguments << "\n" << done.err;
    EXPECT_NE(done.err.find(w.said), std::string::npos) << w.arguments << "\n" << done.err;
    EXPECT_LE(std::count(done.err.begin(), done.err.end(), '\n'), 4) << done.err;
  }
}

/// Unknown, then registered in this process: the same numbers as from the plug-in.
void expect_operator_in_process(const std::string& path, std::span<const float> expected) {
  const auto code_of = [](auto&& call, std::string& what) {
    try {
      call();
    } catch (const Error& error) {
      what = error.what();
      return error.code();
    }
    return Code::ok;
  };
  std::string what;
  EXPECT_EQ(code_of([&] { Predictor predictor{Config(path)}; }, what), Code::unsupported);
  EXPECT_NE(what.find("my.Swish6"), std::string::npos) << what;
  bool saw_dynamic = false, saw_numbers = false;
  api::CustomOp op;
  op.domain = "my";
  op.name = "Swish6";
  op.signature = "(T x) -> (T y); T = f32";
  op.compute = [](const std::vector<api::CustomTensor>& in, std::vector<api::CustomTensor>& out,
                  const api::CustomOp::Numbers&) {
    const auto* x = static_cast<const float*>(in[0].data);
    for (int64_t i = 0; i < Shape(in[0].shape).numel(); ++i)
      static_cast<float*>(out[0].out)[i] = x[i] * std::clamp(x[i] + 3, 0.0f, 6.0f) / 6;
    return std::string();
  };
  op.shape = [&](const std::vector<std::vector<int64_t>>& inputs, const api::CustomOp::Numbers&) {
    (inputs[0][0] < 0 ? saw_dynamic : saw_numbers) = true;
    return inputs;
  };
  api::RegisterOp(op);
  EXPECT_EQ(code_of([&] { api::RegisterOp(op); }, what), Code::already_exists);
  Predictor predictor{Config(path)};
  predictor.GetInputTensor("x")->Reshape({3, 8});
  predictor.GetInputTensor("x")->copy(static_cast<const float*>(noise({3, 8}, 4).data()));
  predictor.Run();
  const std::vector<float> y = predictor.GetOutputTensor("y")->to_vector<float>();
  ASSERT_EQ(y.size(), expected.size());
  for (size_t i = 0; i < y.size(); ++i) EXPECT_NEAR(y[i], expected[i], 1e-5);
  EXPECT_TRUE(saw_dynamic);
  EXPECT_TRUE(saw_numbers);
}

TEST(Command, PluginAddsAnOperator) {
  const std::string path = model("customop");
  write_npy((scratch() / "x.npy").string(), noise({3, 8}, 4));
  const Done without = chorus_command("run " + path + " --input x=x.npy --output swish.npz");
  EXPECT_EQ(without.status, 4);
  EXPECT_NE(without.err.find("my.Swish6"), std::string::npos);
  const Done with = chorus_command("run " + path + " --input x=x.npy --output swish.npz --tap all",
                                   "CHORUS_PLUGIN='" CHORUS_TEST_PLUGIN "'");
  ASSERT_EQ(with.status, 0) << with.err;
  Value before, after;
  for (const auto& [name, value] : read_npz((scratch() / "swish.npz").string())) {
    if (name == "fc1") before = value;
    if (name == "y") after = value;
  }
  ASSERT_TRUE(before && after);
  for (size_t i = 0; i < 24; ++i) {
    const double x = before.as<float>()[i];
    EXPECT_NEAR(after.as<float>()[i], -x * std::clamp(x + 3, 0.0, 6.0) / 6, 1e-5);
  }
  EXPECT_EQ(chorus_command("run " + path + " --random", "CHORUS_PLUGIN=/nowhere/lib.so").status, 4);
  expect_operator_in_process(path, after.as<float>());
  proves("E-MOD-04");
}

TEST(Command, ProfileListsEveryStep) {
  const Done done = chorus_command("run " + model("lenet") + " --random --profile --trace trace.json --repeat 3");
  ASSERT_EQ(done.status, 0) << done.err;
  for (const char* name : {"conv1", "conv2", "fc1", "fc2", "fc3", "softmax"})
    EXPECT_NE(done.out.find(name), std::string::npos) << name;
  EXPECT_GT(Json::parse(text_of(scratch() / "trace.json")).at("traceEvents").size(), 10u);
}

TEST(Command, HelpAndCompletion) {
  for (const char* name : {"run", "bench", "inspect", "ir", "check", "convert", "gen", "task ocr", "engines", "devices",
                           "completion", "conformance", "ops", "explain", "compare", "eval"}) {
    const Done done = chorus_command(std::string(name) + " --help");
    EXPECT_EQ(done.status, 0) << name;
    EXPECT_NE(done.out.find("Usage"), std::string::npos) << name;
  }
  for (const char* name : {"run", "bench", "inspect", "ir", "gen", "task ocr", "convert", "check", "engines", "devices",
                           "completion", "explain", "compare", "eval"}) {
    EXPECT_NE(chorus_command(std::string(name) + " --help").out.find("Example"), std::string::npos) << name;
  }
  ASSERT_EQ(chorus_command("completion bash").status, 0);
  const std::string script = (scratch() / "completion.sh").string();
  std::filesystem::copy_file(scratch() / "stdout", script, std::filesystem::copy_options::overwrite_existing);
  const auto complete = [&](const std::string& words, int at) {
    const std::string line = "bash -c 'source " + script + "; COMP_WORDS=(" + words +
                             "); COMP_CWORD=" + std::to_string(at) + "; _chorus; echo \"${COMPREPLY[*]}\"' >'" +
                             (scratch() / "words").string() + "'";
    EXPECT_EQ(std::system(line.c_str()), 0);
    return text_of(scratch() / "words");
  };
  EXPECT_EQ(complete("chorus ben", 1), "bench\n");
  EXPECT_EQ(complete("chorus task oc", 2), "ocr\n");
  EXPECT_EQ(complete("chorus run --prof", 2), "--profile\n");
}

TEST(Examples, FourInterfacesAndPredictor) {
  for (const char* header : {"model", "device", "io", "infer"}) {
    const std::string source = (scratch() / "header.cpp").string();
    std::ofstream(source) << "#include <chorus/" << header << ".h>\n";
    const std::string line =
        std::string("'" CHORUS_COMPILER "' -std=c++17 -fsyntax-only -I'" CHORUS_INCLUDE "' '") + source + "'";
    EXPECT_EQ(std::system(line.c_str()), 0) << header;
  }
  const auto output_of = [](const std::string& program) {
    const auto path = scratch() / "example";
    EXPECT_EQ(std::system((program + " >'" + path.string() + "'").c_str()), 0) << program;
    return text_of(path);
  };
  std::istringstream numbers(output_of("'" CHORUS_EXAMPLES "/example_four_interfaces' '" + model("lenet") + "'"));
  double sum = 0;
  for (int i = 0; i < 10; ++i) {
    double p = -1;
    ASSERT_TRUE(numbers >> p) << i;
    EXPECT_GE(p, 0);
    sum += p;
  }
  EXPECT_NEAR(sum, 1, 1e-5);
  std::string rest;
  numbers >> rest;
  EXPECT_EQ(rest, "probabilities:");
  proves("E-GEN-01");
  EXPECT_NE(
      output_of("'" CHORUS_EXAMPLES "/example_predictor' '" + model("lenet") + "'").find("probabilities: best class "),
      std::string::npos);
  proves("I-API-16");
}

class Cleanup : public ::testing::Environment {
  void TearDown() override { std::filesystem::remove_all(scratch()); }
};
const auto* const g_cleanup = ::testing::AddGlobalTestEnvironment(new Cleanup);

}  // namespace
}  // namespace chorus::testing
