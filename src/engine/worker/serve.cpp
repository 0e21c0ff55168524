#include <engine/worker/serve.h>

#include <engine/plugin/plugin.h>
#include <engine/worker/message.h>
#include <engine/worker/process.h>
#include <graph/image.h>
#include <fmt/format.h>

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <map>
#include <thread>
#include <utility>
#include <vector>

namespace chorus::worker {
namespace {

constexpr size_t kMostFiles = 4096;  // that no request has taken yet

struct Running {
  StopToken* stop = nullptr;
  uint32_t turn = 0;
};

/// What the threads of the worker share. It is never destroyed: the process ends by _exit.
class Server {
 public:
  void read(int socket);

 private:
  void take(const Letter& letter, Descriptor file);
  Descriptor file(uint64_t token);
  void control(const Descriptor& file);
  void answer_control(Ask ask, Reader& reader, Writer& writer);
  void claim(Reader& reader, Writer& writer);
  void start_instance(Reader& reader);
  void serve_instance(const Descriptor& file, uint64_t token, std::unique_ptr<Instance> instance, size_t outputs);
  std::shared_ptr<Program> program(uint64_t id);

  std::mutex lock_;
  std::condition_variable arrived_;
  std::map<uint64_t, Descriptor> files_;
  std::map<uint64_t, Running> running_;  // by token of the channel
  std::map<uint64_t, std::shared_ptr<Program>> programs_;
  uint64_t next_id_ = 1;
  std::shared_ptr<Engine> engine_;
};

[[noreturn]] void refuse(const std::string& what) { throw Error(Code::bad_input, "worker: " + what); }

/// Begins an answer that is an error; what does not fit is cut.
size_t write_error(std::span<std::byte> room, const Error& error) {
  Writer writer(room);
  writer.number(1);
  writer.error(error);
  return writer.size();
}

/// Fills the answer by `body`; whatever it throws becomes the answer.
template <class F>
size_t answered(std::span<std::byte> room, F&& body) {
  try {
    Writer writer(room);
    writer.number(0);
    body(writer);
    return writer.size();
  } catch (const Error& error) {
    return write_error(room, error);
  } catch (const std::exception& error) {
    return write_error(room, Error(Code::internal, error.what()));
  }
}

Model model_in(const Descriptor& file) {
  auto mapping = std::make_shared<Mapping>(file, Mapping::Access::read);
  const auto bytes = mapping->bytes();
  ImageLimits limits;
  limits.inferred = Inferred::believe;  // the host's own rules found it out
  return load_image({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, mapping, limits);
}

void Server::read(int socket) {
  for (;;) {
    Letter letter;
    iovec part{&letter, sizeof letter};
    alignas(cmsghdr) char room[CMSG_SPACE(sizeof(int))];
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = room;
    message.msg_controllen = sizeof room;
    const ssize_t n = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;  // the host is gone
    Descriptor file;
    for (cmsghdr* h = CMSG_FIRSTHDR(&message); h != nullptr; h = CMSG_NXTHDR(&message, h)) {
      if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS || h->cmsg_len < CMSG_LEN(sizeof(int))) continue;
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(h), sizeof fd);
      file.reset(fd);
    }
    if (n != static_cast<ssize_t>(sizeof letter) || letter.magic != Letter::kMagic) return;  // of another version
    take(letter, std::move(file));
  }
}

void Server::take(const Letter& letter, Descriptor file) {
  if (letter.kind == Letter::stop) {
    std::lock_guard guard(lock_);
    const auto running = running_.find(letter.token);
    const bool late = letter.code == static_cast<uint32_t>(Code::timeout);
    if (running != running_.end() && running->second.turn == letter.turn)
      running->second.stop->request(late ? Code::timeout : Code::cancelled);
    return;
  }
  if (letter.kind != Letter::file || !file) return;
  if (letter.token == 0) {
    std::thread([this, fd = file.release()] { control(Descriptor(fd)); }).detach();
    return;
  }
  std::lock_guard guard(lock_);
  if (files_.size() < kMostFiles) files_.insert_or_assign(letter.token, std::move(file));
  arrived_.notify_all();
}

/// The file of a letter, which may still be under way.
Descriptor Server::file(uint64_t token) {
  std::unique_lock guard(lock_);
  const bool there = arrived_.wait_for(guard, std::chrono::seconds(5), [&] { return files_.contains(token); });
  if (!there) refuse(fmt::format("no file came with the number {}", token));
  auto node = files_.extract(token);
  return std::move(node.mapped());
}

std::shared_ptr<Program> Server::program(uint64_t id) {
  std::lock_guard guard(lock_);
  const auto found = programs_.find(id);
  if (found == programs_.end()) refuse(fmt::format("there is no program {}", id));
  return found->second;
}

void Server::claim(Reader& reader, Writer& writer) {
  const Descriptor image = file(reader.number());
  const CompileOptions options = reader.options();
  const Model model = model_in(image);
  const std::vector<Claim> claims = engine_->claim(*model.graph, options);
  writer.number(claims.size());
  for (const Claim& c : claims) {
    writer.number(static_cast<uint64_t>(c.node));
    writer.number(static_cast<uint64_t>(c.verdict));
    writer.number(static_cast<uint64_t>(static_cast<int64_t>(c.group)));
    writer.text(c.reason);
  }
}

void Server::answer_control(Ask ask, Reader& reader, Writer& writer) {
  if (ask == Ask::open) {
    const std::string path = reader.text(), name = reader.text();
    engine_ = plugin::load_engine(path, name, reader.text());
    return writer.text(engine_->version());
  }
  if (!engine_) refuse("no engine is open");
  switch (ask) {
    case Ask::claim: return claim(reader, writer);
    case Ask::compile: {
      const Descriptor image = file(reader.number());
      const CompileOptions options = reader.options();
      auto made = engine_->compile(model_in(image), options);
      std::lock_guard guard(lock_);
      writer.number(next_id_);
      programs_.emplace(next_id_++, std::move(made));
      return;
    }
    case Ask::text: {
      const auto of = program(reader.number());
      return writer.text(of->str(reader.text()));
    }
    case Ask::free_program: {
      const uint64_t id = reader.number();
      std::lock_guard guard(lock_);
      programs_.erase(id);
      return;
    }
    case Ask::instance: return start_instance(reader);
    default: refuse("an unknown question");
  }
}

void Server::control(const Descriptor& file) {
  Channel channel(file);
  for (;;) {
    const size_t bytes = channel.wait();
    channel.reply(answered(channel.answer(), [&](Writer& writer) {
      Reader reader(channel.request().first(bytes), "the question");
      answer_control(static_cast<Ask>(reader.number()), reader, writer);
    }));
  }
}

void Server::start_instance(Reader& reader) {
  const auto of = program(reader.number());
  const uint64_t token = reader.number();
  Descriptor channel = file(token);
  auto instance = of->instance();
  std::thread([this, token, fd = channel.release(), owned = instance.release(), of]() {
    serve_instance(Descriptor(fd), token, std::unique_ptr<Instance>(owned), of->outputs().size());
  }).detach();
}

void Server::serve_instance(const Descriptor& file, uint64_t token, std::unique_ptr<Instance> instance,
                            size_t outputs) {
  Channel channel(file);
  StopToken stop;
  for (bool goes_on = true; goes_on;) {
    const size_t bytes = channel.wait();
    stop.reset();
    {
      std::lock_guard guard(lock_);
      running_[token] = {&stop, channel.turn()};
    }
    const size_t size = answered(channel.answer(), [&](Writer& writer) {
      Reader reader(channel.request().first(bytes), "the question");
      const auto ask = static_cast<Ask>(reader.number());
      goes_on = ask != Ask::end;
      if (!goes_on) return instance.reset();
      if (ask != Ask::run) refuse("an unknown question");
      RunOptions options;
      options.stop = &stop;
      options.seed = reader.number();
      const uint64_t flags = reader.number();
      std::vector<Value> in(reader.number_below(uint64_t{1} << 20, "number of inputs"));
      for (Value& v : in) v = reader.value(Elements::borrowed);
      std::vector<Value> out(reader.number_below(outputs + 1, "number of outputs"));
      std::vector<std::pair<std::string, Value>> seen;
      std::function<void(const std::string&, const Value&)> tap = [&](const std::string& name, const Value& v) {
        const bool numbers = v.is_tensor() && v.dtype() != DType::string;
        const auto size_of = numbers ? static_cast<size_t>(dtype_bytes(v.dtype(), v.numel())) : 0;
        seen.emplace_back(name, numbers ? Value::copy_of(v.dtype(), v.shape(), v.data(), size_of) : v);
      };
      std::vector<NodeTime> times;
      if ((flags & 1) != 0) options.tap = &tap;
      if ((flags & 2) != 0) options.times = &times;
      instance->run(in, out, options);
      writer.number(static_cast<uint64_t>(instance->arena_bytes()));
      for (const Value& v : out) writer.value(v);
      writer.number(seen.size());
      for (const auto& [name, v] : seen) {
        writer.text(name);
        writer.value(v);
      }
      writer.number(times.size());
      for (const NodeTime& t : times) {
        writer.number(static_cast<uint64_t>(t.step));
        writer.number(static_cast<uint64_t>(t.begin_ns));
        writer.number(static_cast<uint64_t>(t.end_ns));
      }
    });
    {
      std::lock_guard guard(lock_);
      running_.erase(token);
    }
    channel.reply(size);
  }
}

}  // namespace

void serve(int socket) {
  auto* server = new Server;  // its threads use it to the last moment
  server->read(socket);
}

}  // namespace chorus::worker
