// Engines in workers: right answers whatever happens to the worker, nothing left behind, and a host that no worker can hurt.
#include <engine/worker/worker.h>

#include <core/clock.h>
#include <core/log.h>
#include <engine/plugin/plugin.h>
#include <engine/worker/channel.h>
#include <engine/worker/message.h>
#include <dirent.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <random>
#include <thread>

#include "engine/engine_case.h"

namespace chorus {
namespace {

using testing::kSanitized;
using testing::message_of;
using testing::one_node;

std::string plugin_file(const std::string& name) {
  const bool own = name == "unruly" || name == "older_minor" || name == "newer_minor" || name == "liar";
  return std::string(own ? CHORUS_TEST_PLUGINS : CHORUS_PLUGINS) + "/libchorus_engine_" + name + ".so";
}

worker::Settings settings_of(const std::string& name) {
  worker::Settings settings;
  settings.program = CHORUS_WORKER;
  settings.plugin = plugin_file(name);
  settings.name = name;
  settings.first_pause_ms = 1;
  settings.most_pause_ms = 50;
  settings.open_next = open_engine;
  return settings;
}

std::shared_ptr<Engine> in_worker(const std::string& name) { return worker::make_engine(settings_of(name)); }

CompileOptions going_on() {
  CompileOptions options;
  options.next_engines = {"native"};
  return options;
}

Model negation() { return one_node("Neg", 1, {Dim::symbol("n")}); }
Value vector_of(std::initializer_list<float> list) {
  return Value::of<float>(Shape{static_cast<int64_t>(list.size())}, list);
}

std::vector<float> negated(Instance& instance, const Value& x, const RunOptions& options = {}) {
  std::vector<Value> out(1);
  instance.run(std::vector<Value>{x}, out, options);
  const auto y = out[0].as<float>();
  return {y.begin(), y.end()};
}

/// Runs until the worker, started again behind our back, does it itself; whether it did within ten seconds.
bool own_again(const Engine& engine, Instance& instance, const std::vector<Value>& inputs) {
  for (int i = 0; i < 500; ++i) {
    const int64_t before = worker::counts(engine).elsewhere;
    std::vector<Value> out(1);
    instance.run(inputs, out, {});
    if (worker::counts(engine).elsewhere == before) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return false;
}

int entries(const char* folder) {
  int count = 0;
  DIR* open = ::opendir(folder);
  while (open != nullptr && ::readdir(open) != nullptr) ++count;
  if (open != nullptr) ::closedir(open);
  return count;
}

/// Children of this process, living or dead.
int children() {
  int count = 0;
  DIR* threads = ::opendir("/proc/self/task");
  while (const dirent* entry = threads == nullptr ? nullptr : ::readdir(threads)) {
    std::ifstream file(std::string("/proc/self/task/") + entry->d_name + "/children");
    for (int64_t pid = 0; file >> pid;) ++count;
  }
  if (threads != nullptr) ::closedir(threads);
  return count;
}

int64_t resident_kib() {
  std::ifstream file("/proc/self/statm");
  int64_t size = 0, resident = 0;
  file >> size >> resident;
  return resident * (::sysconf(_SC_PAGESIZE) / 1024);
}

void kill_worker(const Engine& engine) {
  const int64_t pid = worker::counts(engine).pid;
  if (pid > 0) ::kill(static_cast<pid_t>(pid), SIGKILL);
}

/// Messages of the log while it lives.
class Logged {
 public:
  Logged() {
    set_log_sink([](void* user, LogLevel, std::string_view text) { static_cast<Logged*>(user)->text += text; }, this,
                 LogLevel::warning);
  }
  ~Logged() { set_log_sink(nullptr, nullptr); }
  Logged(const Logged&) = delete;
  Logged& operator=(const Logged&) = delete;
  std::string text;
};

TEST(Worker, AnswersAsInThisProcess) {
  const auto engine = in_worker("unruly");
  EXPECT_EQ(engine->name(), "unruly");
  EXPECT_EQ(engine->version(), "1");
  EXPECT_NE(worker::counts(*engine).pid, 0);
  EXPECT_NE(worker::counts(*engine).pid, ::getpid());
  const auto program = engine->compile(negation(), {});
  const auto instance = program->instance();
  EXPECT_EQ(negated(*instance, vector_of({1.5f, -2})), (std::vector<float>{-1.5f, 2}));
  EXPECT_EQ(negated(*instance, vector_of({3})), (std::vector<float>{-3}));  // another size
  EXPECT_EQ(negated(*instance, Value::tensor(DType::float32, Shape{0})), std::vector<float>{});
  std::vector<Value> out = {Value::tensor(DType::float32, Shape{2})};
  const void* place = out[0].data();
  instance->run(std::vector<Value>{vector_of({4, 5})}, out, {});
  EXPECT_EQ(out[0].data(), place);  // the caller's memory
  EXPECT_EQ(out[0].as<float>()[1], -5);
  Code code = Code::ok;
  const std::string other = message_of([&] { instance->run(std::vector<Value>{vector_of({4})}, out, {}); }, &code);
  EXPECT_EQ(code, Code::shape) << other;
  EXPECT_EQ(program->instance()->steps().size(), 1u);
  EXPECT_NE(program->str("plan").find("Neg"), std::string::npos);
  EXPECT_EQ(worker::counts(*engine).lost, 0);
}

TEST(Worker, ClaimsAndRefusalsComeThrough) {
  const auto engine = in_worker("unruly");
  testing::GraphCase c;
  const ValueId x = c.in("x", {Dim(2)});
  c.out(c.op("Abs", {c.op("Neg", {x})}), "y");
  const Model model = testing::model_of(c);
  const auto claims = engine->claim(*model.graph, {});
  ASSERT_EQ(claims.size(), 2u);
  for (const Claim& claim : claims) {
    EXPECT_EQ(claim.verdict, model.graph->node(claim.node).type == "Neg" ? Verdict::yes : Verdict::no);
    EXPECT_EQ(claim.reason, "knows Neg only");
  }
  Code code = Code::ok;
  const std::string said = message_of([&] { engine->compile(model, going_on()); }, &code);
  EXPECT_EQ(code, Code::unsupported);  // a refusal is no crash: nobody else is asked
  EXPECT_NE(said.find("knows Neg only"), std::string::npos) << said;
  const auto instance = engine->compile(negation(), going_on())->instance();
  message_of([&] { negated(*instance, vector_of({1011})); }, &code);
  EXPECT_EQ(code, Code::bad_input);
  EXPECT_EQ(worker::counts(*engine).started, 1);
  EXPECT_EQ(worker::counts(*engine).elsewhere, 0);
}

TEST(Worker, EveryDeathIsFinishedElsewhere) {
  Logged logged;
  const auto engine = in_worker("unruly");
  const auto program = engine->compile(negation(), going_on());
  const auto instance = program->instance();
  int deaths = 0;
  for (const int how : {1000, 1001, 1002, 1004}) {
    EXPECT_EQ(negated(*instance, vector_of({static_cast<float>(how), 7})),
              (std::vector<float>{-static_cast<float>(how), -7}));
    ++deaths;
    EXPECT_EQ(worker::counts(*engine).lost, deaths) << how;
    EXPECT_GE(worker::counts(*engine).elsewhere, deaths) << how;
    EXPECT_TRUE(own_again(*engine, *instance, {vector_of({1})})) << how;
    EXPECT_EQ(worker::counts(*engine).started, deaths + 1) << how;
  }
  EXPECT_NE(logged.text.find("engine unruly in a worker"), std::string::npos) << logged.text;
  EXPECT_NE(logged.text.find("died by SIGKILL while it ran the model"), std::string::npos) << logged.text;
  EXPECT_NE(logged.text.find("ended with status 7"), std::string::npos) << logged.text;
  EXPECT_NE(logged.text.find("native finishes what engine unruly"), std::string::npos) << logged.text;
}

TEST(Worker, WithoutANextEngineADeathIsAnErrorSentence) {
  const auto engine = in_worker("unruly");
  const auto instance = engine->compile(negation(), {})->instance();
  Code code = Code::ok;
  const std::string said = message_of([&] { negated(*instance, vector_of({1002})); }, &code);
  EXPECT_EQ(code, Code::device_lost);
  EXPECT_NE(said.find("engine unruly ended with status 7 while it ran the model"), std::string::npos) << said;
  EXPECT_EQ(negated(*instance, vector_of({2})), (std::vector<float>{-2}));  // started again
  CompileOptions options = going_on();
  options.next_engines = {"nonesuch"};
  const auto other = engine->compile(negation(), options)->instance();
  EXPECT_NE(message_of([&] { negated(*other, vector_of({1002})); }).find("nonesuch"), std::string::npos);
}

TEST(Worker, HangsAreEnded) {
  const auto engine = in_worker("unruly");
  CompileOptions options = going_on();
  options.worker_deadline_ms = 200;
  const auto instance = engine->compile(negation(), options)->instance();
  for (const int how : {1003, 1007}) {  // waits for ever; is stopped
    const int64_t begin = now_ns();
    EXPECT_EQ(negated(*instance, vector_of({static_cast<float>(how)})), (std::vector<float>{-static_cast<float>(how)}));
    const double ms = elapsed_ms(begin, now_ns());
    EXPECT_GE(ms, 200);
    EXPECT_LT(ms, 20'000);
    EXPECT_TRUE(own_again(*engine, *instance, {vector_of({1})})) << how;
  }
  EXPECT_EQ(worker::counts(*engine).lost, 2);
}

TEST(Worker, StopsWhenAsked) {
  const auto engine = in_worker("unruly");
  const auto instance = engine->compile(negation(), going_on())->instance();
  for (const int how : {1010, 1003}) {  // one that obeys, one that does not
    StopToken stop;
    RunOptions options;
    options.stop = &stop;
    std::thread caller([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      stop.request();
    });
    Code code = Code::ok;
    message_of([&] { negated(*instance, vector_of({static_cast<float>(how)}), options); }, &code);
    caller.join();
    EXPECT_EQ(code, Code::cancelled) << how;
    EXPECT_EQ(worker::counts(*engine).pid != 0, how == 1010);
  }
  EXPECT_EQ(negated(*instance, vector_of({2})), (std::vector<float>{-2}));
}

TEST(Worker, DeathsInCompileAndClaimAreSentences) {
  const auto engine = in_worker("unruly");
  CompileOptions options;
  Code code = Code::ok;
  options.more = "die in claim";
  std::string said = message_of([&] { engine->claim(*negation().graph, options); }, &code);
  EXPECT_EQ(code, Code::device_lost);
  EXPECT_NE(said.find("while it was asked for its claims"), std::string::npos) << said;
  options.more = "die in compile";
  said = message_of([&] { engine->compile(negation(), options); }, &code);
  EXPECT_EQ(code, Code::device_lost);
  EXPECT_NE(said.find("while it compiled the model"), std::string::npos) << said;
  // With a next engine the program works, and workers get the model again ever more rarely.
  options.next_engines = {"native"};
  const auto instance = engine->compile(negation(), options)->instance();
  const auto again = [&] {
    EXPECT_EQ(negated(*instance, vector_of({5})), (std::vector<float>{-5}));
    std::this_thread::sleep_for(std::chrono::milliseconds(60));
  };
  const int64_t started = worker::counts(*engine).started;
  for (int i = 0; i < 10; ++i) again();
  EXPECT_LE(worker::counts(*engine).started, started + 3);  // after 40, 160, 640 ms
  options.fallback = Fallback::none;  // nobody else is wanted
  message_of([&] { engine->compile(negation(), options); }, &code);
  EXPECT_EQ(code, Code::device_lost);
}

TEST(Worker, ADeathWhileItOpensIsASentence) {
  ::setenv("UNRULY_OPEN", "1", 1);
  Code code = Code::ok;
  const std::string said = message_of([] { in_worker("unruly"); }, &code);
  ::unsetenv("UNRULY_OPEN");
  EXPECT_EQ(code, Code::unavailable);
  EXPECT_NE(said.find("while it opened the engine"), std::string::npos) << said;
  worker::Settings settings = settings_of("unruly");
  settings.program = "/nonexistent/chorus-worker";
  message_of([&] { worker::make_engine(settings); }, &code);
  EXPECT_EQ(code, Code::unavailable);
  settings = settings_of("unruly");
  settings.plugin = "/nonexistent.so";
  EXPECT_NE(message_of([&] { worker::make_engine(settings); }, &code).find("cannot be loaded"), std::string::npos);
  EXPECT_EQ(code, Code::unavailable);
}

TEST(Worker, LyingAnswersAreRefused) {
  const auto engine = in_worker("unruly");
  CompileOptions options = going_on();
  options.worker_deadline_ms = 300;
  const auto instance = engine->compile(negation(), options)->instance();
  for (const int how : {1005, 1006}) {
    EXPECT_EQ(negated(*instance, vector_of({static_cast<float>(how)})), (std::vector<float>{-static_cast<float>(how)}));
    EXPECT_TRUE(own_again(*engine, *instance, {vector_of({1})})) << how;
  }
  EXPECT_EQ(worker::counts(*engine).lost, 2);
}

/// Answers of random and of damaged bytes: each is a value or an Error, nothing else, and takes no memory that was not sent.
TEST(WorkerMessage, DamagedAnswersNeverCrash) {
  std::vector<std::byte> room(1 << 16);
  worker::Writer writer(room);
  const std::vector<std::string> words = {"a", "", "long enough"};
  const std::vector<Value> values = {vector_of({1, 2, 3}),
                                     Value::strings(Shape{3}, words),
                                     Value(),
                                     Value::sequence(DType::float32, {vector_of({1}), vector_of({})}),
                                     Value::map(Value::of<int64_t>(Shape{2}, {1, 2}), vector_of({1, 2})),
                                     Value::optional(DType::float32, {})};
  for (const Value& v : values) writer.value(v);
  const size_t size = writer.size();
  {
    worker::Reader reader{std::span<const std::byte>(room).first(size), "the answer"};
    for (const Value& v : values) EXPECT_TRUE(reader.value(worker::Elements::copied).identical(v));
    EXPECT_NO_THROW(reader.end());
  }
  std::mt19937 random(7);
  int refused = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::vector<std::byte> bad(room.begin(),
                               room.begin() + static_cast<ptrdiff_t>(i % 7 == 0 ? random() % size : size));
    for (int k = 0; k < 1 + i % 3 && !bad.empty(); ++k) {
      const size_t at = random() % bad.size() / (i % 2 == 0 ? 8 : 1) * (i % 2 == 0 ? 8 : 1);
      bad[at] = static_cast<std::byte>(random());
      if (i % 5 == 0)
        std::fill(bad.begin() + static_cast<ptrdiff_t>(at),
                  bad.begin() + static_cast<ptrdiff_t>(std::min(at + 8, bad.size())), std::byte(0xFF));
    }
    worker::Reader reader(bad, "the answer");
    Code code = Code::ok;
    message_of(
        [&] {
          for (size_t v = 0; v < values.size(); ++v) reader.value(worker::Elements::copied);
          reader.end();
        },
        &code);
    refused += code != Code::ok;
  }
  EXPECT_GT(refused, 5'000);
}

TEST(WorkerMessage, RoomIsKept) {
  std::vector<std::byte> room(100);
  worker::Writer writer(room);
  Code code = Code::ok;
  message_of([&] { writer.value(Value::tensor(DType::float32, Shape{100})); }, &code);
  EXPECT_EQ(code, Code::budget);
  worker::Settings settings = settings_of("unruly");
  settings.room = 1 << 16;
  const auto engine = worker::make_engine(settings);
  const auto instance = engine->compile(negation(), {})->instance();
  Value large = Value::tensor(DType::float32, Shape{1 << 15});
  message_of([&] { negated(*instance, large); }, &code);
  EXPECT_EQ(code, Code::budget);
  EXPECT_EQ(negated(*instance, vector_of({2})), (std::vector<float>{-2}));
  EXPECT_EQ(worker::counts(*engine).lost, 0);
}

TEST(WorkerChannel, NeitherSideCanCutItShort) {
  const worker::Descriptor file = worker::memory_file("test", 1 << 16);
  EXPECT_NE(::ftruncate(file.get(), 0), 0);
  EXPECT_NE(::ftruncate(file.get(), 1 << 20), 0);
  worker::Descriptor unsealed(::memfd_create("test", MFD_CLOEXEC));
  EXPECT_EQ(::ftruncate(unsealed.get(), 1 << 16), 0);
  EXPECT_NE(message_of([&] { worker::Channel channel(unsealed); }), "");
}

TEST(Worker, NothingIsLeftBehind) {
  const auto once = [] {
    const auto engine = in_worker("unruly");
    const auto program = engine->compile(negation(), going_on());
    const auto a = program->instance(), b = program->instance();
    EXPECT_EQ(negated(*a, vector_of({1})), (std::vector<float>{-1}));
    negated(*b, vector_of({1002}));
    EXPECT_TRUE(own_again(*engine, *a, {vector_of({2})}));
  };
  once();
  const int files = entries("/proc/self/fd"), threads = entries("/proc/self/task"), before = children();
  const int64_t memory = resident_kib();
  for (int i = 0; i < (kSanitized ? 4 : 20); ++i) once();
  EXPECT_EQ(entries("/proc/self/fd"), files);
  EXPECT_EQ(entries("/proc/self/task"), threads);
  EXPECT_EQ(children(), before);
  if (!kSanitized) {
    EXPECT_LT(resident_kib() - memory, 16 * 1024);
  }
}

TEST(Worker, AKilledIdleWorkerIsNoZombie) {
  const auto engine = in_worker("unruly");
  const auto instance = engine->compile(negation(), going_on())->instance();
  const int before = children();
  kill_worker(*engine);
  for (int i = 0; i < 200 && children() == before; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_EQ(children(), before - 1);
  EXPECT_EQ(negated(*instance, vector_of({2})), (std::vector<float>{-2}));
}

/// A host that dies, by exec so that nothing of this process is shared: `test_engine --gtest_filter=…` itself.
TEST(Worker, DISABLED_HostThatIsKilled) {
  const auto engine = in_worker("unruly");
  CompileOptions options = going_on();
  const auto instance = engine->compile(negation(), options)->instance();
  std::printf("\nworker %lld\n", static_cast<long long>(worker::counts(*engine).pid));
  std::fflush(stdout);
  negated(*instance, vector_of({1003}));  // hangs in a run
}

TEST(Worker, DiesWithItsHost) {
  const std::string line = std::string("exec 2>&1; '") + "/proc/" + std::to_string(::getpid()) + "/exe' " +
                           "--gtest_also_run_disabled_tests --gtest_filter=Worker.DISABLED_HostThatIsKilled & host=$!; "
                           "echo host $host; wait $host";
  std::FILE* pipe = ::popen(line.c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  long long worker = 0, host = 0;
  for (char text[256]; worker == 0 && std::fgets(text, sizeof text, pipe) != nullptr;) {
    std::sscanf(text, "host %lld", &host);
    std::sscanf(text, "worker %lld", &worker);
  }
  ASSERT_GT(worker, 0);
  ASSERT_GT(host, 0);
  EXPECT_EQ(::kill(static_cast<pid_t>(worker), 0), 0);
  ::kill(static_cast<pid_t>(host), SIGKILL);
  ::pclose(pipe);
  const auto gone = [&] {  // or a zombie that whoever inherited it has not taken yet
    std::ifstream file("/proc/" + std::to_string(worker) + "/stat");
    std::string text;
    std::getline(file, text);
    return text.empty() || text.find(") Z") != std::string::npos;
  };
  for (int i = 0; i < 500 && !gone(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_TRUE(gone());
}

TEST(Worker, InstancesRunAtOnceAndSurviveTheThreadThatMadeThem) {
  const auto engine = in_worker("unruly");
  const auto program = engine->compile(negation(), going_on());
  std::vector<std::thread> callers;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t) {
    callers.emplace_back([&, t] {
      const auto instance = program->instance();
      for (int i = 0; i < 200; ++i) {
        const float x = static_cast<float>(t * 200 + i);
        if (x >= 1000) continue;
        wrong += negated(*instance, vector_of({x, 1}))[0] != -x;
        if (t == 0 && i % 50 == 49) kill_worker(*engine);
      }
    });
  }
  for (std::thread& t : callers) t.join();
  EXPECT_EQ(wrong, 0);
  const auto instance = program->instance();
  EXPECT_TRUE(own_again(*engine, *instance, {vector_of({3})}));
  const int64_t started = worker::counts(*engine).started;
  std::this_thread::sleep_for(std::chrono::milliseconds(100));  // the thread that started it is gone, the worker is not
  EXPECT_EQ(negated(*instance, vector_of({4})), (std::vector<float>{-4}));
  EXPECT_EQ(worker::counts(*engine).started, started);
}

TEST(Worker, IsOpenedByName) {
  set_engine_folders({CHORUS_TEST_PLUGINS});
  const auto engine = open_engine("worker:older_minor");
  EXPECT_EQ(engine, open_engine("worker:older_minor"));
  EXPECT_NE(engine, open_engine("older_minor"));
  EXPECT_NE(worker::counts(*engine).pid, 0);
  ::setenv("CHORUS_ENGINE_WORKER", "liar,older_minor", 1);
  EXPECT_EQ(engine, open_engine("older_minor"));
  EXPECT_EQ(worker::counts(*open_engine("newer_minor")).pid, 0);
  EXPECT_EQ(open_engine("native")->name(), "native");
  ::unsetenv("CHORUS_ENGINE_WORKER");
  Code code = Code::ok;
  message_of([] { open_engine("worker:"); }, &code);
  EXPECT_EQ(code, Code::not_found);
  message_of([] { open_engine("worker:nonesuch"); }, &code);
  EXPECT_EQ(code, Code::not_found);
}

/// The named engines in workers, as far as they are here; three, by the example engine where too few are.
std::vector<std::shared_ptr<Engine>> three_in_workers(std::vector<std::string> names) {
  std::vector<std::shared_ptr<Engine>> engines;
  names.insert(names.end(), 3, "example");
  for (const std::string& name : names) {
    if (engines.size() == 3) break;
    if (kSanitized && name != "example") continue;
    try {
      worker::Settings settings = settings_of(name);
      const char* folder = std::getenv("CHORUS_ENGINES_DIR");
      if (name != "example") settings.folder = std::string(folder != nullptr ? folder : ".engines") + "/" + name;
      engines.push_back(worker::make_engine(settings));
    } catch (const Error&) {  // not installed
    }
  }
  return engines;
}

/// Runs `requests` on three engines in workers while every `pause_ms` milliseconds one of their workers is killed.
void chaos(const std::vector<std::shared_ptr<Engine>>& engines, int requests, int pause_ms, int rest_us) {
  ASSERT_EQ(engines.size(), 3u);
  const Model model = one_node("Add", 2, {Dim(64)});
  std::vector<std::unique_ptr<Instance>> instances;
  for (const auto& engine : engines) instances.push_back(engine->compile(model, going_on())->instance());
  std::atomic<bool> done{false};
  std::thread killer([&] {
    for (size_t i = 0; !done; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(pause_ms));
      if (!done) kill_worker(*engines[i % 3]);
    }
  });
  std::vector<float> a(64), b(64);
  int wrong = 0;
  std::string errors;
  for (int i = 0; i < requests; ++i) {
    for (size_t k = 0; k < a.size(); ++k) {
      a[k] = static_cast<float>(i % 1009) + static_cast<float>(k) * 0.5f;
      b[k] = static_cast<float>(i % 13);
    }
    std::vector<Value> out(1);
    const std::string said = message_of([&] {
      instances[static_cast<size_t>(i % 3)]->run(
          std::vector<Value>{Value::of<float>(Shape{64}, std::span<const float>(a)),
                             Value::of<float>(Shape{64}, std::span<const float>(b))},
          out, {});
    });
    if (!said.empty()) errors += said + "\n";
    for (size_t k = 0; said.empty() && k < a.size(); ++k) wrong += out[0].as<float>()[k] != a[k] + b[k];
    std::this_thread::sleep_for(std::chrono::microseconds(rest_us));
  }
  done = true;
  killer.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(errors, "");
  int64_t lost = 0, elsewhere = 0;
  for (const auto& engine : engines) {
    lost += worker::counts(*engine).lost;
    elsewhere += worker::counts(*engine).elsewhere;
  }
  std::printf("%d requests, %lld workers killed, %lld requests finished elsewhere\n", requests,
              static_cast<long long>(lost), static_cast<long long>(elsewhere));
  EXPECT_GT(lost, 0);
  // Left in peace, each is soon its own again.
  for (size_t i = 0; i < 3; ++i) {
    const Value some = Value::of<float>(Shape{64}, std::span<const float>(a));
    EXPECT_TRUE(own_again(*engines[i], *instances[i], {some, some})) << engines[i]->name();
  }
}

TEST(WorkerChaos, EveryRequestIsAnsweredRightly) { chaos(three_in_workers({}), 3'000, 20, 200); }
TEST(WorkerChaos, TenThousandRequestsWithAKillEverySecondLong) {
  chaos(three_in_workers({"onnxruntime", "torch", "tensorflow", "openvino"}), 10'000, 1'000, 3'000);
}

}  // namespace
}  // namespace chorus
