#include <chorus/error.h>
#include <core/file.h>
#include <core/json_depth.h>
#include <graph/infer.h>
#include <runtime/process.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace chorus {
namespace {

using Json = nlohmann::ordered_json;
constexpr int64_t kFloat = 1;   // TensorProto.DataType
constexpr int64_t kMostExtent = 65536;
constexpr int64_t kMostLabelBytes = int64_t{4} << 20;   // of a file of them; a line may be as short as its end

[[noreturn]] void refuse(const std::string& what, const std::string& fix = {}) {
  throw Error(Code::bad_input, "processing: " + what, {}, fix);
}
std::string shown(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

/// Adds newest versions of operators to a graph.
class Nodes {
 public:
  explicit Nodes(Graph& graph) : graph_(graph) {}
  ValueId operator()(std::string_view op, std::vector<ValueId> inputs, Attributes attributes = {}, int output = 0,
                     int outputs = 1) {
    const NodeId id = graph_.add_node(op, inputs, std::move(attributes), outputs, "", graph_.unique_name("process"));
    infer_node(graph_, id);
    return graph_.node(id).outputs[static_cast<size_t>(output)];
  }
  std::vector<ValueId> all(std::string_view op, std::vector<ValueId> inputs, Attributes attributes, int outputs) {
    const NodeId id = graph_.add_node(op, inputs, std::move(attributes), outputs, "", graph_.unique_name("process"));
    infer_node(graph_, id);
    return graph_.node(id).outputs;
  }
  ValueId constant(Value value) {
    const ValueId id = graph_.add_constant(graph_.unique_name("process_constant"), std::move(value));
    graph_.value(id).type = Type::of(graph_.value(id).constant);
    return id;
  }
  ValueId integers(std::vector<int64_t> list) {
    return constant(Value::of<int64_t>(Shape{static_cast<int64_t>(list.size())}, list));
  }
  ValueId number(float x) { return constant(Value::of<float>(Shape{}, {x})); }
  Graph& graph() noexcept { return graph_; }

 private:
  Graph& graph_;
};

/// One value of a step's object, in bounds.
int64_t extent(const Json& step, const char* key, const char* name, int64_t least = 1) {
  const auto found = step.find(key);
  if (found == step.end() || !found->is_number_integer())
    refuse(fmt::format("{} needs an integer \"{}\": {}", name, key, shown(step)));
  const auto n = found->get<int64_t>();
  if (n < least || n > kMostExtent) refuse(fmt::format("{}: {} {} is not in {}..{}", name, key, n, least, kMostExtent));
  return n;
}

void known_keys(const Json& object, const char* name, std::initializer_list<std::string_view> keys) {
  if (!object.is_object()) refuse(fmt::format("{} is not an object: {}", name, shown(object)));
  for (const auto& [key, value] : object.items()) {
    if (std::find(keys.begin(), keys.end(), key) == keys.end())
      refuse(fmt::format("{} has the unknown key \"{}\"", name, key), fmt::format("one of {}", fmt::join(keys, ", ")));
  }
}

std::string text_of(const Json& step, const char* key, const char* otherwise,
                    std::initializer_list<std::string_view> choices) {
  std::string text = otherwise;
  if (step.is_object()) {
    if (const auto found = step.find(key); found != step.end())
      text = found->is_string() ? found->get<std::string>() : shown(*found);
  } else {
    text = step.is_string() ? step.get<std::string>() : shown(step);
  }
  if (std::find(choices.begin(), choices.end(), text) == choices.end())
    refuse(fmt::format("{} \"{}\" is not known", key, text), fmt::format("one of {}", fmt::join(choices, ", ")));
  return text;
}

double number_of(const Json& json, const char* name) {
  if (!json.is_number()) refuse(fmt::format("{} is not a number: {}", name, shown(json)));
  return json.get<double>();
}

// Before the model -----------------------------------------------------------------------------------------------------

ValueId resize(Nodes& add, ValueId x, const Json& step) {
  known_keys(step, "resize", {"height", "width", "mode", "keep_aspect"});
  const std::string mode = text_of(step, "mode", "linear", {"linear", "nearest", "cubic"});
  const std::string keep = text_of(step, "keep_aspect", "stretch", {"stretch", "cover", "fit"});
  const ValueId sizes = add.integers({extent(step, "height", "resize"), extent(step, "width", "resize")});
  Attributes attributes = {{"axes", std::vector<int64_t>{2, 3}},
                           {"mode", mode},
                           {"coordinate_transformation_mode", "half_pixel"},
                           {"keep_aspect_ratio_policy", keep == "stretch" ? "stretch"
                                                        : keep == "cover" ? "not_smaller"
                                                                          : "not_larger"}};
  if (mode == "cubic") attributes.set("cubic_coeff_a", -0.75);
  return add("Resize", {x, kNone, kNone, sizes}, std::move(attributes));
}

ValueId crop(Nodes& add, ValueId x, const Json& step) {
  known_keys(step, "crop", {"x", "y", "height", "width"});
  const int64_t left = extent(step, "x", "crop", 0), top = extent(step, "y", "crop", 0);
  return add("Slice", {x, add.integers({top, left}),
                       add.integers({top + extent(step, "height", "crop"), left + extent(step, "width", "crop")}),
                       add.integers({2, 3})});
}

ValueId center_crop(Nodes& add, ValueId x, const Json& step) {
  known_keys(step, "center_crop", {"height", "width"});
  const ValueId wanted = add.integers({extent(step, "height", "center_crop"), extent(step, "width", "center_crop")});
  const ValueId have = add("Shape", {x}, {{"start", int64_t{2}}, {"end", int64_t{4}}});
  const ValueId begin =
      add("Div", {add("Max", {add("Sub", {have, wanted}), add.integers({0, 0})}), add.integers({2, 2})});
  return add("Slice", {x, begin, add("Add", {begin, wanted}), add.integers({2, 3})});
}

ValueId colour(Nodes& add, ValueId x, const Json& step) {
  const std::string to = text_of(step, "colour", "", {"rgb", "bgr", "grey"});
  if (to == "rgb") return x;
  if (to == "bgr") return add("Gather", {x, add.integers({2, 1, 0})}, {{"axis", int64_t{1}}});
  const ValueId weights = add.constant(Value::of<float>(Shape{1, 3, 1, 1}, {0.299f, 0.587f, 0.114f}));  // ITU-R BT.601
  return add("ReduceSum", {add("Mul", {x, weights}), add.integers({1})}, {{"keepdims", int64_t{1}}});
}

/// Numbers per channel as [1, C, 1, 1]; one number counts for all.
ValueId per_channel(Nodes& add, const Json& step, const char* name) {
  std::vector<float> list;
  if (!step.is_array())
    list.push_back(static_cast<float>(number_of(step, name)));
  else
    for (const Json& item : step) list.push_back(static_cast<float>(number_of(item, name)));
  if (list.empty() || list.size() > 4)
    refuse(fmt::format("{} has {} numbers", name, list.size()), "one for each channel");
  if (std::string_view(name) == "std" && std::find(list.begin(), list.end(), 0.0f) != list.end()) refuse("std is 0");
  return add.constant(Value::of<float>(Shape{1, static_cast<int64_t>(list.size()), 1, 1}, list));
}

struct Target {
  std::string layout = "NCHW";
  DType dtype = DType::undefined;  // undefined: as declared
};

ValueId apply(Nodes& add, ValueId x, const std::string& name, const Json& step, Target& target) {
  if (name == "resize") return resize(add, x, step);
  if (name == "crop") return crop(add, x, step);
  if (name == "center_crop") return center_crop(add, x, step);
  if (name == "colour") return colour(add, x, step);
  if (name == "scale") return add("Mul", {x, add.number(static_cast<float>(number_of(step, "scale")))});
  if (name == "mean") return add("Sub", {x, per_channel(add, step, "mean")});
  if (name == "std") return add("Div", {x, per_channel(add, step, "std")});
  if (name == "layout") {
    target.layout = text_of(step, "layout", "NCHW", {"NCHW", "NHWC"});
    return x;
  }
  if (name == "type") {
    target.dtype = parse_dtype(step.is_string() ? step.get<std::string>() : shown(step));
    return x;
  }
  refuse("step \"" + name + "\" is not known",
         "one of resize, crop, center_crop, colour, scale, mean, std, layout, type");
}

/// Name and value of a step: {"scale": 2}, or "sigmoid" for one without a value.
std::pair<std::string, Json> step_of(const Json& step) {
  if (step.is_string()) return {step.get<std::string>(), Json()};
  if (!step.is_object() || step.size() != 1) refuse("a step is an object with one key: " + shown(step));
  return {step.begin().key(), step.begin().value()};
}

ValueId picture_steps(Nodes& add, ValueId picture, const Json& steps, DType declared) {
  if (!steps.is_array()) refuse("the steps are not a list: " + shown(steps));
  Target target;
  ValueId x =
      add("Cast", {add("Transpose", {picture}, {{"perm", std::vector<int64_t>{0, 3, 1, 2}}})}, {{"to", kFloat}});
  for (const Json& item : steps) {
    const auto [name, step] = step_of(item);
    x = apply(add, x, name, step, target);
  }
  if (target.layout == "NHWC") x = add("Transpose", {x}, {{"perm", std::vector<int64_t>{0, 2, 3, 1}}});
  const DType dtype = target.dtype != DType::undefined ? target.dtype : declared;
  return dtype == DType::float32 || dtype == DType::undefined ? x
                                                              : add("Cast", {x}, {{"to", static_cast<int64_t>(dtype)}});
}

Type picture_type(const std::string& name) {
  return Type::tensor(DType::uint8, {Dim::symbol(name + "_count"), Dim::symbol(name + "_height"),
                                     Dim::symbol(name + "_width"), Dim(3)});
}

void put_before(Nodes& add, const std::string& name, const Json& steps) {
  Graph& graph = add.graph();
  const ValueId old = graph.find_value(name);
  if (old == kNone || !graph.value(old).is_input)
    throw Error(Code::not_found, "processing: the model has no input \"" + name + "\"");
  const DType declared = graph.value(old).type.dtype;
  std::vector<ValueId> inputs(graph.inputs().begin(), graph.inputs().end());
  graph.rename(old, graph.unique_name(name + "_processed"));
  const ValueId picture = graph.add_input(name, picture_type(name));
  const ValueId result = picture_steps(add, picture, steps, declared);
  graph.replace_uses(old, result);
  std::replace(inputs.begin(), inputs.end(), old, picture);
  graph.set_inputs(inputs);
  if (graph.value(old).alive) graph.remove_value(old);
}

// Behind it ------------------------------------------------------------------------------------------------------------

std::vector<std::string> label_texts(const Json& step) {
  std::vector<std::string> texts;
  if (step.is_string()) {
    const std::string all = read_whole(step.get<std::string>(), kMostLabelBytes);
    for (size_t at = 0; at < all.size();) {
      const size_t end = std::min(all.find('\n', at), all.size());
      texts.push_back(all.substr(at, end - at));
      if (!texts.back().empty() && texts.back().back() == '\r') texts.back().pop_back();
      at = end + 1;
    }
  } else {
    if (!step.is_array()) refuse("labels is neither a list nor a file: " + shown(step));
    for (const Json& item : step) {
      if (!item.is_string()) refuse("a label is not a text: " + shown(item));
      texts.push_back(item.get<std::string>());
    }
  }
  if (texts.empty()) refuse("there are no labels");
  return texts;
}

/// Work on one output; further outputs are added to the graph by name.
class OutputChain {
 public:
  OutputChain(Nodes& add, std::string name, ValueId value) : add_(add), name_(std::move(name)), value_(value) {}
  void apply(const std::string& step, const Json& value);
  ValueId value() const noexcept { return value_; }
  const std::vector<std::pair<ValueId, std::string>>& more() const noexcept { return more_; }

 private:
  int64_t axis(const Json& value, const char* step) {
    if (value.is_null()) return -1;
    known_keys(value, step, {"axis"});
    const auto found = value.find("axis");
    if (found == value.end()) return -1;
    if (!found->is_number_integer()) refuse(fmt::format("{}: the axis is not an integer: {}", step, shown(*found)));
    return found->get<int64_t>();
  }
  void labels(const Json& value) {
    if (classes_ == kNone) refuse("labels stand behind top_k or argmax");
    const std::vector<std::string> texts = label_texts(value);
    const ValueId table = add_.constant(Value::strings(Shape{static_cast<int64_t>(texts.size())}, texts));
    // A class without a label is the last text, never an index past the end.
    const ValueId last = add_.constant(Value::of<int64_t>(Shape{}, {static_cast<int64_t>(texts.size()) - 1}));
    more_.emplace_back(add_("Gather", {table, add_("Min", {classes_, last})}), name_ + "_labels");
  }
  Nodes& add_;
  std::string name_;
  ValueId value_, classes_ = kNone;
  std::vector<std::pair<ValueId, std::string>> more_;
};

void OutputChain::apply(const std::string& step, const Json& value) {
  if (step == "softmax") {
    value_ = add_("Softmax", {value_}, {{"axis", axis(value, "softmax")}});
  } else if (step == "sigmoid") {
    value_ = add_("Sigmoid", {value_});
  } else if (step == "argmax") {
    value_ = classes_ = add_("ArgMax", {value_}, {{"axis", axis(value, "argmax")}, {"keepdims", int64_t{0}}});
  } else if (step == "threshold") {
    value_ = add_("Greater", {value_, add_.number(static_cast<float>(number_of(value, "threshold")))});
  } else if (step == "top_k") {
    if (!value.is_number_integer() || value.get<int64_t>() < 1)
      refuse("top_k is not a positive integer: " + shown(value));
    const auto both = add_.all("TopK", {value_, add_.integers({value.get<int64_t>()})}, {{"axis", int64_t{-1}}}, 2);
    value_ = both[0];
    classes_ = both[1];
    more_.emplace_back(classes_, name_ + "_classes");
  } else if (step == "labels") {
    labels(value);
  } else {
    refuse("step \"" + step + "\" is not known", "one of softmax, sigmoid, argmax, threshold, top_k, labels");
  }
}

void put_behind(Nodes& add, const std::string& name, const Json& steps) {
  Graph& graph = add.graph();
  const ValueId old = graph.find_value(name);
  if (old == kNone || !graph.is_output(old))
    throw Error(Code::not_found, "processing: the model has no output \"" + name + "\"");
  if (!steps.is_array()) refuse("the steps are not a list: " + shown(steps));
  OutputChain chain(add, name, old);
  for (const Json& item : steps) {
    const auto [step, value] = step_of(item);
    chain.apply(step, value);
  }
  std::vector<ValueId> outputs(graph.outputs().begin(), graph.outputs().end());
  if (chain.value() != old) {
    std::replace(outputs.begin(), outputs.end(), old, chain.value());
    graph.rename(old, graph.unique_name(name + "_raw"));
    graph.rename(chain.value(), name);
  }
  for (const auto& [id, more] : chain.more()) {
    if (graph.find_value(more) != kNone && graph.find_value(more) != id)
      refuse("the model has a value \"" + more + "\" already");
    graph.rename(id, more);
    outputs.push_back(id);
  }
  graph.set_outputs(outputs);
}

void add_detections(Nodes& add, const Json& declared) {
  known_keys(declared, "detections", {"boxes", "scores", "iou", "score", "most"});
  Graph& graph = add.graph();
  const auto value = [&](const char* key) {
    const std::string name =
        declared.contains(key) && declared[key].is_string() ? declared[key].get<std::string>() : "";
    const ValueId id = graph.find_value(name);
    if (id == kNone)
      throw Error(Code::not_found,
                  fmt::format("processing: detections: the model has no value \"{}\" ({})", name, key));
    return id;
  };
  const ValueId boxes = value("boxes"), scores = value("scores");
  const float iou = static_cast<float>(declared.contains("iou") ? number_of(declared["iou"], "iou") : 0.5);
  const float score = static_cast<float>(declared.contains("score") ? number_of(declared["score"], "score") : 0.0);
  const int64_t most = declared.contains("most") ? extent(declared, "most", "detections") : 100;
  const ValueId kept =
      add("NonMaxSuppression", {boxes, scores, add.integers({most}), add.number(iou), add.number(score)});
  const auto columns = add.all("Split", {kept, add.integers({1, 1, 1})}, {{"axis", int64_t{1}}}, 3);
  const ValueId flat = add.integers({1});
  const ValueId box = add("GatherND", {boxes, add("Concat", {columns[0], columns[2]}, {{"axis", int64_t{1}}})});
  std::vector<ValueId> outputs(graph.outputs().begin(), graph.outputs().end());
  const std::pair<const char*, ValueId> made[] = {{"detection_boxes", box},
                                                  {"detection_scores", add("GatherND", {scores, kept})},
                                                  {"detection_classes", add("Squeeze", {columns[1], flat})},
                                                  {"detection_pictures", add("Squeeze", {columns[0], flat})}};
  for (const auto& [name, id] : made) {
    if (graph.find_value(name) != kNone) refuse(std::string("the model has a value \"") + name + "\" already");
    graph.rename(id, name);
    outputs.push_back(id);
  }
  graph.set_outputs(outputs);
}

Json parse(std::string_view text) {
  if (const int depth = json_depth(text); depth > kMostJsonDepth)
    refuse(fmt::format("the text is nested {} deep, more than {}", depth, kMostJsonDepth));
  Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) refuse("the text is not JSON");
  return json;
}

}  // namespace

std::shared_ptr<const Model> with_processing(const Model& model, std::string_view declaration) {
  const Json json = parse(declaration);
  known_keys(json, "the declaration", {"inputs", "outputs", "detections"});
  auto graph = std::make_shared<Graph>(*model.graph);
  infer_types(*graph);
  Nodes add(*graph);
  for (const char* part : {"inputs", "outputs"}) {
    if (!json.contains(part)) continue;
    if (!json[part].is_object()) refuse(fmt::format("\"{}\" is not an object", part));
    for (const auto& [name, steps] : json[part].items())
      std::string_view(part) == "inputs" ? put_before(add, name, steps) : put_behind(add, name, steps);
  }
  if (json.contains("detections")) add_detections(add, json["detections"]);
  auto result = std::make_shared<Model>(model);
  result->graph = std::move(graph);
  return result;
}

std::shared_ptr<const Model> processing_alone(std::string_view steps) {
  auto graph = std::make_shared<Graph>();
  graph->opsets[""] = 21;
  Nodes add(*graph);
  const ValueId picture = graph->add_input("picture", picture_type("picture"));
  const ValueId result = picture_steps(add, picture, parse(steps), DType::float32);
  graph->rename(result, "result");
  graph->add_output(result);
  auto model = std::make_shared<Model>();
  model->graph = std::move(graph);
  model->ir_version = 10;
  model->source = "processing";
  return model;
}

}  // namespace chorus
