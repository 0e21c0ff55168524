// Input and output of models: the interface class "input/output" of the inference-engine API. C++17.
// Data goes in and out by copy (with conversion), by borrowing, or in the caller's own buffers.
#pragma once
#include <chorus/dtype.h>
#include <chorus/error.h>
#include <chorus/export.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace chorus {

class Value;

namespace api {

/// Order of the source's elements: as the model has it, or channels last ([N,] H, W, C for a model that takes [N,] C, H, W).
enum class DataLayout : uint8_t { as_is, channels_last };

/// One input of a Predictor or Instance; a pointer to it stays valid as long as they do.
class CHORUS_API InputTensor {
 public:
  const std::string& name() const noexcept;
  DType dtype() const noexcept;  ///< that the model takes; undefined: any
  /// Extents of the data given, or of the model with -1 where the data decides.
  std::vector<int64_t> shape() const;
  bool ready() const noexcept;  ///< data was given, or the model has a default

  /// Extents of the data to come; a fitting number of axes is checked here, the numbers by Run. Error(shape) names the input.
  void Reshape(const std::vector<int64_t>& shape);

  /// Copies shape() elements and converts them to dtype(): integers saturate, floats are rounded to nearest even, to bool: != 0.
  /// Error(shape) while an extent is not known.
  template <class T>
  void copy(const T* data) {
    copy(static_cast<const void*>(data), dtype_of<T>());
  }
  /// As above; Error(shape) when there are not shape() elements. Without Reshape, one unknown extent follows from the count.
  template <class T>
  void copy(const std::vector<T>& data) {
    copy(data.data(), dtype_of<T>(), static_cast<int64_t>(data.size()));
  }
  /// Elements of type `from` (half precision, bfloat16 …); `count` elements are there, -1: as many as shape() says.
  void copy(const void* data, DType from, int64_t count = -1, DataLayout layout = DataLayout::as_is);
  void copy(const std::vector<std::string>& strings);  ///< for inputs of strings

  /// Uses the caller's memory in place, without a copy; `from` must be dtype(). It must stay unchanged while a run goes on and
  /// alive until other data is given; `owner` (may be null) is kept that long.
  void borrow(const void* data, DType from, const std::vector<int64_t>& shape,
              std::shared_ptr<const void> owner = nullptr);

  /// The data that Run reads; null: none given.
  const void* data() const noexcept;
  /// Own memory of shape() elements to be filled in place; valid until the next call of another function than this.
  void* mutable_data();
  /// Forgets the data (a default of the model counts again).
  void clear() noexcept;

  /// For code inside Chorus: any value, sequences and optionals too.
  void set(Value value);

  struct Impl;
  explicit InputTensor(std::unique_ptr<Impl> impl);
  ~InputTensor();
  InputTensor(const InputTensor&) = delete;
  InputTensor& operator=(const InputTensor&) = delete;

 private:
  friend struct IoAccess;
  std::unique_ptr<Impl> impl_;
};

/// Output memory until the next run: after it, every call throws Error(bad_input) that says so.
class CHORUS_API OutputView {
 public:
  const void* data() const;
  size_t bytes() const;
  std::vector<int64_t> shape() const;
  DType dtype() const;
  bool stale() const noexcept;

  struct Impl;
  explicit OutputView(std::shared_ptr<const Impl> impl);
  ~OutputView();
  OutputView(const OutputView&);
  OutputView& operator=(const OutputView&);

 private:
  std::shared_ptr<const Impl> impl_;
};

/// One output. Everything but name(), dtype() and use_buffer() throws Error(bad_input) before the first run and while one goes on.
class CHORUS_API OutputTensor {
 public:
  const std::string& name() const noexcept;
  DType dtype() const noexcept;
  /// Extents of the last run; before it those of the model, -1 where the input decides.
  std::vector<int64_t> shape() const;
  int64_t count() const;  ///< elements of the last run

  /// Copies count() elements to `data`, converted: to integers truncated and saturated (NaN becomes 0), to floats rounded to
  /// nearest even.
  template <class T>
  void copy(T* data) const {
    copy(static_cast<void*>(data), dtype_of<T>());
  }
  void copy(void* data, DType to) const;
  template <class T>
  std::vector<T> to_vector() const {
    std::vector<T> result(static_cast<size_t>(count()));
    copy(result.data());
    return result;
  }
  std::vector<std::string> strings() const;  ///< of an output of strings

  OutputView view() const;  ///< without a copy, until the next run
  /// The next runs write into the caller's memory; the result must be of exactly this type and shape, else Run throws Error(shape).
  /// Null: own memory again.
  void use_buffer(void* data, DType type, const std::vector<int64_t>& shape, size_t bytes);

  /// For code inside Chorus: the value of the last run, valid until the next.
  const Value& value() const;

  struct Impl;
  explicit OutputTensor(std::unique_ptr<Impl> impl);
  ~OutputTensor();
  OutputTensor(const OutputTensor&) = delete;
  OutputTensor& operator=(const OutputTensor&) = delete;

 private:
  friend struct IoAccess;
  std::unique_ptr<Impl> impl_;
};

}  // namespace api
}  // namespace chorus
