// Printing as NumPy does, and single elements.
#include <core/convert.h>
#include <tensor/expr.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ostream>

namespace chorus {
namespace {

constexpr int64_t kSummaryFrom = 1000;
constexpr int64_t kEdge = 3;
constexpr int kPrecision = 8;
constexpr size_t kLine = 75;

// Indices of one axis that are shown; -1 stands for the dots.
std::vector<int64_t> shown(int64_t extent, bool summary) {
  std::vector<int64_t> list;
  if (!summary || extent <= 2 * kEdge) {
    for (int64_t i = 0; i < extent; ++i) list.push_back(i);
    return list;
  }
  for (int64_t i = 0; i < kEdge; ++i) list.push_back(i);
  list.push_back(-1);
  for (int64_t i = extent - kEdge; i < extent; ++i) list.push_back(i);
  return list;
}

void collect(const Shape& shape, int axis, int64_t base, bool summary, std::vector<int64_t>& out) {
  if (axis == shape.rank()) {
    out.push_back(base);
    return;
  }
  for (int64_t i : shown(shape[axis], summary)) {
    if (i >= 0) collect(shape, axis + 1, base * shape[axis] + i, summary, out);
  }
}

// Digits behind the point that tell the number, at most kPrecision, without trailing zeros.
std::string fixed_text(double v, bool single) {
  std::string text = single ? fmt::format("{:.{}f}", v, kPrecision) : fmt::format("{:.{}f}", v, kPrecision);
  const std::string shortest = single ? fmt::format("{}", static_cast<float>(v)) : fmt::format("{}", v);
  if (shortest.find('e') == std::string::npos) {
    const size_t point = shortest.find('.');
    const size_t digits = point == std::string::npos ? 0 : shortest.size() - point - 1;
    if (digits <= static_cast<size_t>(kPrecision)) text = point == std::string::npos ? shortest + "." : shortest;
  }
  if (text.find('.') == std::string::npos) return text + ".";
  while (text.back() == '0') text.pop_back();
  return text;
}

std::string special(double v) { return std::isnan(v) ? "nan" : v < 0 ? "-inf" : "inf"; }

std::vector<std::string> real_texts(const std::vector<double>& values, bool single) {
  double largest = 0, smallest = std::numeric_limits<double>::infinity();
  for (double v : values) {
    if (!std::isfinite(v) || v == 0) continue;
    largest = std::max(largest, std::abs(v));
    smallest = std::min(smallest, std::abs(v));
  }
  const bool scientific = largest > 0 && (largest >= 1e8 || smallest < 1e-4 || largest / smallest > 1000 * 1e3);
  std::vector<std::string> texts;
  size_t digits = 0;
  for (double v : values) {
    if (!std::isfinite(v))
      texts.push_back(special(v));
    else if (scientific)
      texts.push_back(fmt::format("{:.{}e}", v, kPrecision));
    else
      texts.push_back(fixed_text(v, single));
    if (const size_t point = texts.back().find('.'); !scientific && point != std::string::npos)
      digits = std::max(digits, texts.back().size() - point - 1);
  }
  for (std::string& t : texts) {   // the points stand below each other
    const size_t point = t.find('.');
    if (!scientific && point != std::string::npos) t.append(digits - (t.size() - point - 1), ' ');
  }
  return texts;
}

std::string quoted(std::string_view s) {
  std::string out = "'";
  for (char c : s) {
    if (c == '\'' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    else
      out += c;
  }
  return out + "'";
}

std::vector<std::string> element_texts(const Value& v, const std::vector<int64_t>& at) {
  std::vector<std::string> texts;
  const DType type = v.dtype();
  if (is_float(type)) {
    std::vector<double> values;
    for (int64_t i : at) values.push_back(get_f64(type, v.data(), i));
    return real_texts(values, type != DType::float64);
  }
  for (int64_t i : at) {
    if (type == DType::string) {
      texts.push_back(quoted(v.strings()[i]));
    } else if (type == DType::boolean) {
      texts.push_back(get_i64(type, v.data(), i) != 0 ? "True" : "False");
    } else if (is_complex(type)) {
      std::complex<double> c;
      load_c128(type, v.data(), i, 1, &c);
      const bool single = type == DType::complex64;
      std::string imaginary =
          std::isfinite(c.imag()) ? fixed_text(std::abs(c.imag()), single) : special(std::abs(c.imag()));
      texts.push_back((std::isfinite(c.real()) ? fixed_text(c.real(), single) : special(c.real())) +
                      (std::signbit(c.imag()) ? "-" : "+") + imaginary + "j");
    } else if (type == DType::uint64) {
      texts.push_back(fmt::format("{}", static_cast<uint64_t>(get_i64(type, v.data(), i))));
    } else {
      texts.push_back(fmt::format("{}", get_i64(type, v.data(), i)));
    }
  }
  return texts;
}

class Printer {
 public:
  Printer(const Shape& shape, bool summary, std::vector<std::string> texts)
      : shape_(shape), summary_(summary), texts_(std::move(texts)) {
    for (const std::string& t : texts_) width_ = std::max(width_, t.size());
  }
  std::string print() {
    axis(0);
    return std::move(out_);
  }

 private:
  void axis(int depth) {
    if (depth == shape_.rank()) {
      const std::string& t = texts_[next_++];
      out_.append(width_ - t.size(), ' ');
      out_ += t;
      return;
    }
    const bool last = depth + 1 == shape_.rank();
    out_ += '[';
    bool first = true;
    size_t line = out_.rfind('\n') == std::string::npos ? 0 : out_.rfind('\n') + 1;
    for (int64_t i : shown(shape_[depth], summary_)) {
      if (!first && !last) {
        out_.append(static_cast<size_t>(shape_.rank() - depth - 1), '\n');
        out_.append(static_cast<size_t>(depth) + 1, ' ');
      } else if (!first && out_.size() - line + width_ + 1 > kLine) {
        out_ += '\n';
        line = out_.size();
        out_.append(static_cast<size_t>(depth) + 1, ' ');
      } else if (!first) {
        out_ += ' ';
      }
      first = false;
      if (i < 0)
        out_ += "...";
      else
        axis(depth + 1);
    }
    out_ += ']';
  }
  const Shape& shape_;
  bool summary_;
  std::vector<std::string> texts_;
  size_t width_ = 0, next_ = 0;
  std::string out_;
};

}  // namespace

std::string Tensor::str() const {
  if (!defined()) return "(empty)";
  const Value& v = value();
  if (!v.is_tensor()) return v.str();
  const bool summary = v.numel() > kSummaryFrom;
  if (v.numel() == 0) return v.rank() == 1 ? "[]" : fmt::format("[] shape={}", v.shape().str());
  std::vector<int64_t> at;
  collect(v.shape(), 0, 0, summary, at);
  // A tensor of very many dimensions shows at most six of each: still bounded by cutting the text.
  return Printer(v.shape(), summary, element_texts(v, at)).print();
}

std::ostream& operator<<(std::ostream& out, const Tensor& tensor) { return out << tensor.str(); }

std::vector<std::string> Tensor::to_strings() const {
  const Strings& all = value().strings();
  std::vector<std::string> list;
  for (int64_t i = 0; i < all.size(); ++i) list.emplace_back(all[i]);
  return list;
}

std::span<const std::complex<float>> Tensor::complex_data() const {
  const Value& v = value();
  if (v.dtype() != DType::complex64)
    throw Error(Code::type, fmt::format("complex_data of a tensor of {}", dtype_name(v.dtype())));
  return {static_cast<const std::complex<float>*>(v.data()), static_cast<size_t>(v.numel())};
}

namespace {
const Value& single(const Tensor& t) {
  const Value& v = t.value();
  if (!v.is_tensor() || v.dtype() == DType::string || is_complex(v.dtype())) {
    throw Error(Code::type, "item: " + Type::of(v).str() + " has no element that is a real number");
  }
  if (v.numel() != 1)
    throw Error(Code::shape,
                fmt::format("item: a tensor of shape {} has {} elements, not one", v.shape().str(), v.numel()));
  return v;
}
}  // namespace

double Tensor::item_real() const {
  const Value& v = single(*this);
  return get_f64(v.dtype(), v.data(), 0);
}
int64_t Tensor::item_integer() const {
  const Value& v = single(*this);
  return get_i64(v.dtype(), v.data(), 0);
}

}  // namespace chorus
