// chorus eval: how often a classifier is right on data with known answers.
#include "command.h"
#include "model_options.h"

#include <core/file.h>
#include <core/progress.h>
#include <data/image/decode.h>
#include <format/npz/npz.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <numeric>

namespace chorus::app {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct Options {
  ModelOptions model;
  std::string data, labels, process, output, metric;
  int64_t batch = 1, limit = 0;
  bool json = false;
};

/// Samples and their classes; pictures are read one at a time.
struct Data {
  NamedValues arrays;                        ///< of an .npz: [samples, …] by input
  std::vector<std::string> pictures;
  std::vector<int64_t> classes;
  std::vector<std::string> names;            ///< of the classes, by number; may be empty
  int64_t count = 0;
};

bool is_picture(const fs::path& path) {
  std::string end = path.extension().string();
  std::transform(end.begin(), end.end(), end.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return end == ".png" || end == ".jpg" || end == ".jpeg" || end == ".webp" || end == ".bmp" || end == ".ppm" ||
         end == ".pgm";
}

std::vector<std::string> lines_of(const std::string& path) {
  std::vector<std::string> lines;
  const std::string all = read_whole(path, int64_t{64} << 20);
  for (size_t at = 0; at < all.size();) {
    const size_t end = std::min(all.find('\n', at), all.size());
    lines.push_back(all.substr(at, end - at));
    if (!lines.back().empty() && lines.back().back() == '\r') lines.back().pop_back();
    at = end + 1;
  }
  return lines;
}

Data read_npz_data(const Options& options) {
  Data data;
  const std::string key = options.labels.empty() ? "labels" : options.labels;
  Value classes;
  for (auto& [name, value] : read_npz(options.data)) {
    if (name == key)
      classes = value;
    else
      data.arrays.emplace_back(name, value);
  }
  if (!classes)
    throw Error(Code::not_found, "\"" + options.data + "\" has no array \"" + key + "\" of classes", {},
                "name it with --labels");
  if (!classes.is_tensor() || classes.rank() != 1 || !is_integer(classes.dtype()))
    throw Error(Code::bad_input, "the classes \"" + key + "\" are " + classes.str(0) + ", not a list of integers",
                options.data);
  data.classes = classes.to_int64s();
  data.count = static_cast<int64_t>(data.classes.size());
  if (data.arrays.empty()) throw Error(Code::bad_input, "\"" + options.data + "\" has no array but the classes");
  for (const auto& [name, value] : data.arrays) {
    if (value.is_tensor() && value.rank() > 0 && value.dtype() != DType::string && value.shape()[0] == data.count)
      continue;
    throw Error(Code::shape,
                fmt::format("array \"{}\" is {}, but there are {} classes", name, value.str(0), data.count),
                options.data, "the first axis counts the samples");
  }
  return data;
}

/// FOLDER/class name/picture; the number of a class is its place in --labels (a file with a name a line), else in the order of the names.
Data read_folder(const Options& options) {
  Data data;
  if (!options.labels.empty()) data.names = lines_of(options.labels);
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(options.data)) {
    if (entry.is_directory()) folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  if (folders.empty())
    throw Error(Code::bad_input, "\"" + options.data + "\" has no folders", {},
                "put the pictures of each class into a folder of its name");
  for (const fs::path& folder : folders) {
    const std::string name = folder.filename().string();
    auto known = std::find(data.names.begin(), data.names.end(), name);
    if (known == data.names.end()) {
      if (!options.labels.empty())
        throw Error(Code::bad_input, "folder \"" + name + "\" is no class of " + options.labels);
      known = data.names.insert(data.names.end(), name);
    }
    std::vector<std::string> pictures;
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (entry.is_regular_file() && is_picture(entry.path())) pictures.push_back(entry.path().string());
    }
    std::sort(pictures.begin(), pictures.end());
    data.classes.insert(data.classes.end(), pictures.size(), known - data.names.begin());
    data.pictures.insert(data.pictures.end(), pictures.begin(), pictures.end());
  }
  data.count = static_cast<int64_t>(data.pictures.size());
  return data;
}

Data read_data(const Options& options) {
  std::error_code error;
  const bool folder = fs::is_directory(options.data, error);
  if (!folder && !fs::exists(options.data, error))
    throw Error(Code::not_found, "\"" + options.data + "\" does not exist");
  Data data = folder ? read_folder(options) : read_npz_data(options);
  if (options.limit > 0) data.count = std::min(data.count, options.limit);
  if (data.count == 0) throw Error(Code::bad_input, "\"" + options.data + "\" has no samples");
  return data;
}

void give_pictures(Predictor& predictor, const Data& data, int64_t first, int64_t count) {
  const auto names = predictor.GetInputNames();
  if (names.size() != 1)
    throw Error(Code::bad_input, fmt::format("the model has {} inputs; pictures go into one", names.size()));
  std::vector<uint8_t> pixels;
  int64_t height = 0, width = 0;
  for (int64_t i = first; i < first + count; ++i) {
    const std::string& path = data.pictures[static_cast<size_t>(i)];
    const Image image = to_colour(upright(load_image(path)), Colour::rgb);
    if (i == first) height = image.height, width = image.width;
    if (image.height != height || image.width != width) {
      throw Error(Code::shape,
                  fmt::format("\"{}\" has {} x {} pixels, the picture before it {} x {}", path, image.width,
                              image.height, width, height),
                  {}, "use --batch 1 for pictures of several sizes");
    }
    pixels.insert(pixels.end(), image.data.begin(), image.data.end());
  }
  InputTensor& input = *predictor.GetInputTensor(names[0]);
  if (input.dtype() != DType::uint8) {
    throw Error(Code::bad_input,
                "input \"" + names[0] + "\" takes " + std::string(dtype_name(input.dtype())) + ", not pictures", {},
                "say with --process how a picture becomes it");
  }
  input.Reshape({count, height, width, 3});
  input.copy(pixels);
}

void give_arrays(Predictor& predictor, const Data& data, int64_t first, int64_t count) {
  for (const auto& [name, all] : data.arrays) {
    InputTensor* input = predictor.GetInputTensor(name);
    if (input == nullptr) throw Error(Code::not_found, predictor.LastMessage());
    std::vector<int64_t> shape(all.shape().begin(), all.shape().end());
    const int64_t each = all.numel() / std::max<int64_t>(shape[0], 1);
    if (dtype_bits(all.dtype()) % 8 != 0) throw Error(Code::type, "array \"" + name + "\" has elements below a byte");
    shape[0] = count;
    input->Reshape(shape);
    input->copy(static_cast<const char*>(all.data()) + dtype_bytes(all.dtype(), first * each), all.dtype(),
                count * each);
  }
}

struct Score {
  int64_t count = 0, top1 = 0, top5 = 0;
  std::vector<int64_t> confusion;  ///< [classes, classes]: row: the truth
  int64_t classes = 0;
  std::vector<int64_t> predicted, truth;
  bool keep = false;  ///< the scores, for the metric mAP
  std::vector<float> scores;  ///< [samples, classes]
};

/// Higher first, the lower class where two are equal.
void count_sample(const float* scores, int64_t classes, int64_t truth, Score& score) {
  if (truth < 0 || truth >= classes)
    throw Error(Code::bad_input,
                fmt::format("class {} of sample {}: the model knows classes 0 to {}", truth, score.count, classes - 1));
  int64_t better = 0, best = 0;
  for (int64_t c = 0; c < classes; ++c) {
    better += scores[c] > scores[truth] || (scores[c] == scores[truth] && c < truth);
    if (scores[c] > scores[best]) best = c;
  }
  score.top1 += better < 1;
  score.top5 += better < 5;
  ++score.confusion[static_cast<size_t>(truth * classes + best)];
  score.predicted.push_back(best);
  score.truth.push_back(truth);
  if (score.keep) score.scores.insert(score.scores.end(), scores, scores + classes);
  ++score.count;
}

void count_batch(Predictor& predictor, const Options& options, const Data& data, int64_t first, int64_t count,
                 Score& score) {
  const auto names = predictor.GetOutputNames();
  const std::string name = options.output.empty() ? names.at(0) : options.output;
  const OutputTensor* output = predictor.GetOutputTensor(name);
  if (output == nullptr) throw Error(Code::not_found, predictor.LastMessage());
  const int64_t elements = output->count(), classes = elements / count;
  const auto shape = output->shape();
  if (shape.empty() || shape[0] != count || classes < 1)
    throw Error(Code::shape, fmt::format("output \"{}\" is not [{}, classes]", name, count), {},
                "name the output of the classes with --output");
  if (score.classes == 0) {
    if (classes > 32768)
      throw Error(Code::budget, fmt::format("output \"{}\" has {} classes; at most 32768 are counted", name, classes));
    score.classes = classes;
    score.confusion.assign(static_cast<size_t>(classes * classes), 0);
  }
  const std::vector<float> scores = output->to_vector<float>();
  for (int64_t i = 0; i < count; ++i)
    count_sample(scores.data() + i * classes, classes, data.classes[static_cast<size_t>(first + i)], score);
}

/// Mean over the classes that occur of 2 · hits / (occurrences + predictions).
double macro_f1(const Score& score) {
  double sum = 0;
  int64_t present = 0;
  const int64_t n = score.classes;
  for (int64_t c = 0; c < n; ++c) {
    int64_t row = 0, column = 0;
    for (int64_t o = 0; o < n; ++o) {
      row += score.confusion[static_cast<size_t>(c * n + o)];
      column += score.confusion[static_cast<size_t>(o * n + c)];
    }
    if (row == 0) continue;
    ++present;
    sum +=
        2.0 * static_cast<double>(score.confusion[static_cast<size_t>(c * n + c)]) / static_cast<double>(row + column);
  }
  return present == 0 ? 0 : sum / static_cast<double>(present);
}

/// Area under precision over recall of one class against all others; samples with equal scores count together. -1: the
/// class does not occur.
double average_precision(const Score& score, int64_t c) {
  std::vector<int64_t> order(static_cast<size_t>(score.count));
  std::iota(order.begin(), order.end(), int64_t{0});
  const auto of = [&](int64_t sample) { return score.scores[static_cast<size_t>(sample * score.classes + c)]; };
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return of(a) > of(b); });
  const auto all = std::count(score.truth.begin(), score.truth.end(), c);
  if (all == 0) return -1;
  double area = 0;
  int64_t hits = 0, before = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    hits += score.truth[static_cast<size_t>(order[i])] == c;
    if (i + 1 < order.size() && of(order[i + 1]) == of(order[i])) continue;
    const double precision = static_cast<double>(hits) / static_cast<double>(i + 1);
    area += static_cast<double>(hits - before) / static_cast<double>(all) * precision;
    before = hits;
  }
  return area;
}

double mean_average_precision(const Score& score) {
  double sum = 0;
  int64_t present = 0;
  for (int64_t c = 0; c < score.classes; ++c) {
    const double area = average_precision(score, c);
    if (area < 0) continue;
    sum += area;
    ++present;
  }
  return present == 0 ? 0 : sum / static_cast<double>(present);
}

double metric(const Score& score, const std::string& name) {
  if (name == "mAP") return mean_average_precision(score);
  if (name == "f1") return macro_f1(score);
  return static_cast<double>(name == "top5" ? score.top5 : score.top1) / static_cast<double>(score.count);
}

void print(const Score& score, const Data& data, const Options& options) {
  const auto share = [&](int64_t n) { return static_cast<double>(n) / static_cast<double>(score.count); };
  const auto name = [&](int64_t c) {
    return static_cast<size_t>(c) < data.names.size() ? data.names[static_cast<size_t>(c)] : std::to_string(c);
  };
  Json confusion = Json::array();
  for (int64_t t = 0; t < score.classes; ++t) {
    for (int64_t p = 0; p < score.classes; ++p) {
      if (const int64_t n = score.confusion[static_cast<size_t>(t * score.classes + p)]; n > 0)
        confusion.push_back({{"truth", name(t)}, {"predicted", name(p)}, {"count", n}});
    }
  }
  if (options.json) {
    Json json = {{"model", options.model.model}, {"engine", engine_of(options.model)},
                 {"samples", score.count},       {"top1", share(score.top1)},
                 {"top5", share(score.top5)},    {"top1_count", score.top1},
                 {"top5_count", score.top5},     {"f1", macro_f1(score)},
                 {"predicted", score.predicted}, {"confusion", confusion}};
    if (score.keep) json["mAP"] = mean_average_precision(score);
    std::printf("%s\n", json.dump(1, ' ', false, Json::error_handler_t::replace).c_str());
    return;
  }
  if (!options.metric.empty()) {
    std::printf("%.17g\n", metric(score, options.metric));
    return;
  }
  std::printf("samples %lld\ntop1    %.4f (%lld)\ntop5    %.4f (%lld)\nf1      %.4f\n",
              static_cast<long long>(score.count), share(score.top1), static_cast<long long>(score.top1),
              share(score.top5), static_cast<long long>(score.top5), macro_f1(score));
  std::vector<Json> wrong;
  for (const Json& c : confusion) {
    if (c["truth"] != c["predicted"]) wrong.push_back(c);
  }
  std::stable_sort(wrong.begin(), wrong.end(), [](const Json& a, const Json& b) { return a["count"] > b["count"]; });
  for (size_t i = 0; i < wrong.size() && i < 10; ++i) {
    std::printf("%s %s taken for %s: %lld\n", i == 0 ? "wrong  " : "       ",
                wrong[i]["truth"].get<std::string>().c_str(), wrong[i]["predicted"].get<std::string>().c_str(),
                wrong[i]["count"].get<long long>());
  }
}

int eval(const Options& options) {
  const Data data = read_data(options);
  Config config = config_of(options.model);
  if (!options.process.empty()) config.SetProcessing(read_whole(options.process, int64_t{16} << 20));
  Predictor predictor(config);
  TerminalBar bar;
  Progress progress(&bar, "eval", data.count);
  Score score;
  score.keep = options.metric == "mAP";
  for (int64_t first = 0; first < data.count; first += options.batch) {
    const int64_t count = std::min(options.batch, data.count - first);
    data.pictures.empty() ? give_arrays(predictor, data, first, count) : give_pictures(predictor, data, first, count);
    predictor.Run();
    count_batch(predictor, options, data, first, count, score);
    progress.advance(count);
  }
  bar.clear();
  print(score, data, options);
  return kDone;
}

}  // namespace

void add_eval(Arguments app, Outcome& outcome) {
  Arguments sub = app.command("eval", "how often a classifier is right: top-1, top-5, F1, confusion");
  auto options = std::make_shared<Options>();
  add_model_options(sub, options->model);
  sub.option("--data", options->data,
             "an .npz (arrays [samples, ...] by input, and the classes), or a folder with a folder of pictures for "
             "each class")
      .value("PATH")
      .required();
  sub.option("--labels", options->labels,
             "of an .npz: the array of classes (default: labels); of a folder: a file with the classes' names in order")
      .value("LABELS");
  sub.option("--process", options->process, "a JSON file with the steps before and after the model").value("FILE");
  sub.option("--output", options->output, "the output with a score for each class (default: the first)").value("NAME");
  sub.option("--batch", options->batch, "samples in one run").range(1, 65536).show_default();
  sub.option("--limit", options->limit, "only the first N samples").range(int64_t{1}, int64_t{1} << 40);
  sub.option("--metric", options->metric,
             "print this number alone; mAP: mean over the classes of the average precision of their scores")
      .one_of({"top1", "top5", "f1", "mAP"});
  sub.flag("--json", options->json, "print as JSON");
  sub.footer(
      "Examples:\n  chorus eval lenet.onnx --data digits.npz --batch 64\n  chorus eval resnet50.onnx --data pictures/ "
      "--labels names.txt --process imagenet.json --json");
  sub.action([options, &outcome] { outcome.status = eval(*options); });
}

}  // namespace chorus::app
