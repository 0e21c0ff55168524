#include <core/file.h>

#include <chorus/error.h>

#include <gtest/gtest.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

namespace chorus {
namespace {

namespace fs = std::filesystem;

std::string text_of(const MappedFile& file) {
  const auto bytes = file.bytes();
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

// "bad_input: message", or "no error"; the temporary folder's name is shown as DIR.
class File : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/chorus_file_test_XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    root_ = name;
    fs::create_directories(root_ + "/in/sub");
    fs::create_directories(root_ + "/out");
    put("in/model.onnx", "model");
    put("in/sub/weights.bin", "0123456789");
    put("out/secret", "secret");
  }
  void TearDown() override { fs::remove_all(root_); }
  void put(const std::string& name, const std::string& text) {
    std::ofstream(root_ + "/" + name, std::ios::binary) << text;
  }
  std::string path(const std::string& name) const { return root_ + "/" + name; }
  std::string get(const std::string& name) const { return read_whole(path(name), 1 << 20); }
  std::string error(const std::function<void()>& action) const {
    try {
      action();
    } catch (const Error& e) {
      std::string text = std::string(code_name(e.code())) + ": " + e.message();
      for (size_t at; (at = text.find(root_)) != std::string::npos;) text.replace(at, root_.size(), "DIR");
      return text;
    }
    return "no error";
  }
  size_t entries(const std::string& name) const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(path(name)), fs::directory_iterator()));
  }
  std::string root_;
};

int open_descriptors() {
  return static_cast<int>(std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator()));
}

TEST_F(File, MapsAndCopies) {
  for (Backing backing : {Backing::map, Backing::copy}) {
    FileOptions options;
    options.backing = backing;
    MappedFile file(path("in/sub/weights.bin"), options);
    EXPECT_EQ(text_of(file), "0123456789");
    EXPECT_EQ(file.path(), path("in/sub/weights.bin"));
    struct stat info {};
    ASSERT_EQ(stat(file.path().c_str(), &info), 0);
    EXPECT_EQ(file.identity().inode, info.st_ino);
    EXPECT_EQ(file.identity().device, info.st_dev);
    EXPECT_EQ(file.identity().mtime_ns, info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec);
    const std::byte* before = file.bytes().data();
    MappedFile moved(std::move(file));
    EXPECT_EQ(moved.bytes().data(), before);
    EXPECT_EQ(file.bytes().size(), 0u);  // NOLINT(bugprone-use-after-move): a moved-from file is empty
    file = std::move(moved);
    EXPECT_EQ(text_of(file), "0123456789");
  }
}

TEST_F(File, EmptyFileIsEmpty) {
  put("empty", "");
  EXPECT_EQ(MappedFile(path("empty")).size(), 0);
  EXPECT_EQ(get("empty"), "");
}

TEST_F(File, LimitIsCheckedBeforeReading) {
  FileOptions options;
  options.max_bytes = 9;
  EXPECT_EQ(error([&] { MappedFile(path("in/sub/weights.bin"), options); }),
            "budget: DIR/in/sub/weights.bin has 10 bytes, the limit is 9");
  options.max_bytes = 10;
  EXPECT_EQ(MappedFile(path("in/sub/weights.bin"), options).size(), 10);
  // A sparse file of 1 TiB costs nothing to refuse and nothing to map.
  put("huge", "");
  ASSERT_EQ(truncate(path("huge").c_str(), off_t{1} << 40), 0);
  EXPECT_EQ(error([&] { read_whole(path("huge"), 1000); }),
            "budget: DIR/huge has 1099511627776 bytes, the limit is 1000");
  EXPECT_EQ(MappedFile(path("huge")).size(), int64_t{1} << 40);
}

TEST_F(File, OnlyRegularFiles) {
  ASSERT_EQ(mkfifo(path("pipe").c_str(), 0600), 0);
  const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path("socket").copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(error([&] { MappedFile file(path("pipe")); }), "bad_input: DIR/pipe is a pipe");  // and does not hang
  EXPECT_EQ(error([&] { read_whole(path("pipe"), 10); }), "bad_input: DIR/pipe is a pipe");
  EXPECT_EQ(error([&] { MappedFile file(path("in")); }), "bad_input: DIR/in is a folder");
  EXPECT_EQ(error([&] { MappedFile file("/dev/zero"); }), "bad_input: /dev/zero is a device");
  EXPECT_EQ(error([&] { MappedFile file(path("socket")); }), "bad_input: DIR/socket is not a regular file");
  EXPECT_EQ(error([&] { MappedFile file(path("none")); }), "not_found: no such file: DIR/none");
  EXPECT_EQ(error([&] { MappedFile file(path("in/model.onnx/x")); }), "not_found: no such file: DIR/in/model.onnx/x");
  EXPECT_EQ(error([&] { MappedFile file(std::string("")); }), "bad_input: empty file name");
  EXPECT_EQ(error([&] { MappedFile file(std::string("a\0b", 3)); }).substr(0, 37),
            "bad_input: file name with a NUL byte:");
  EXPECT_EQ(error([&] { MappedFile file(path(std::string(300, 'x'))); }).substr(0, 24), "bad_input: path too long");
  close(listener);
}

TEST_F(File, LinksAsAsked) {
  fs::create_symlink(path("out/secret"), path("link"));
  FileOptions options;
  EXPECT_EQ(text_of(MappedFile(path("link"), options)), "secret");
  options.symlinks = Symlinks::refuse;
  EXPECT_EQ(error([&] { MappedFile(path("link"), options); }), "bad_input: a symbolic link is in the way: DIR/link");
  fs::create_hard_link(path("out/secret"), path("hard"));
  EXPECT_EQ(text_of(MappedFile(path("hard"), options)), "secret");
  options.hard_links = HardLinks::refuse;
  EXPECT_EQ(error([&] { MappedFile(path("hard"), options); }), "bad_input: DIR/hard has 2 hard links");
  fs::remove(path("hard"));
  EXPECT_EQ(text_of(MappedFile(path("out/secret"), options)), "secret");
}

TEST_F(File, RangeCannotOverflow) {
  const MappedFile file(path("in/sub/weights.bin"));
  EXPECT_EQ(file.range(0, 10, "w").size(), 10u);
  EXPECT_EQ(file.range(10, 0, "w").size(), 0u);
  EXPECT_EQ(static_cast<char>(file.range(3, 2, "w")[0]), '3');
  EXPECT_EQ(error([&] { file.range(4, 7, "tensor w"); }),
            "bad_input: tensor w: bytes at 4, length 7, do not lie in the file of 10 bytes");
  for (auto [offset, length] : {std::pair<int64_t, int64_t>{-1, 1},
                                {0, -1},
                                {11, 0},
                                {INT64_MAX, 1},
                                {1, INT64_MAX},
                                {INT64_MAX, INT64_MAX},
                                {INT64_MIN, 0},
                                {0, INT64_MIN}}) {
    EXPECT_NE(error([&, o = offset, l = length] { file.range(o, l, "w"); }), "no error") << offset << " " << length;
  }
}

TEST_F(File, KnowsThatTheFileChanged) {
  const MappedFile file(path("in/sub/weights.bin"));
  EXPECT_TRUE(file.unchanged());
  put("in/other", "x");
  fs::rename(path("in/other"), path("in/sub/weights.bin"));  // a new file under the name: ours is as it was
  EXPECT_TRUE(file.unchanged());
  EXPECT_EQ(text_of(file), "0123456789");
  const MappedFile second(path("in/model.onnx"));
  put("in/model.onnx", "longer than before");
  EXPECT_FALSE(second.unchanged());
}

TEST_F(File, ACopySurvivesTruncation) {
  put("big", std::string(100'000, 'x'));
  FileOptions options;
  options.backing = Backing::copy;
  const MappedFile file(path("big"), options);
  ASSERT_EQ(truncate(path("big").c_str(), 0), 0);
  EXPECT_EQ(text_of(file), std::string(100'000, 'x'));
}

TEST_F(File, ReadWholeReadsProcToo) {
  EXPECT_EQ(read_whole("/proc/self/comm", 100), "test_core\n");
  EXPECT_EQ(error([&] { read_whole("/proc/self/status", 20); }),
            "budget: /proc/self/status has more than the limit of 20 bytes");
  EXPECT_EQ(get("in/model.onnx"), "model");
  EXPECT_EQ(read_whole(path("in/model.onnx"), 5), "model");
  EXPECT_NE(error([&] { read_whole(path("in/model.onnx"), 4); }), "no error");
  EXPECT_NE(error([&] { read_whole(path("in/model.onnx"), -1); }), "no error");
}

// Every case twice: with openat2 and with the walk that stands in for it.
class JailTest : public File, public ::testing::WithParamInterface<Jail::Method> {
 protected:
  Jail jail(HardLinks links = HardLinks::refuse) const { return Jail(root_ + "/in", links, GetParam()); }
  std::string refusal(std::string_view relative) const {
    return error([&] { jail().open(relative); });
  }
};
INSTANTIATE_TEST_SUITE_P(Methods, JailTest, ::testing::Values(Jail::Method::automatic, Jail::Method::walk));

TEST_P(JailTest, OpensBeneath) {
  EXPECT_EQ(text_of(jail().open("model.onnx")), "model");
  EXPECT_EQ(text_of(jail().open("sub/weights.bin")), "0123456789");
  EXPECT_EQ(text_of(jail().open("./sub/./weights.bin")), "0123456789");
  EXPECT_EQ(jail().open("sub/weights.bin").path(), path("in/sub/weights.bin"));
  put("in/..odd...name", "fine");
  EXPECT_EQ(text_of(jail().open("..odd...name")), "fine");
  fs::create_directory_symlink(path("in"), path("alias"));
  EXPECT_EQ(text_of(Jail(path("alias"), HardLinks::refuse, GetParam()).open("model.onnx")), "model");
}

TEST_P(JailTest, RefusesEveryPathThatIsNotPlainlyBeneath) {
  const auto why = [&](std::string_view relative) {
    const std::string text = refusal(relative);
    const size_t quote = text.rfind("\" ");
    return text.rfind("bad_input: path refused: ", 0) == 0 && quote != std::string::npos ? text.substr(quote + 2)
                                                                                         : text;
  };
  EXPECT_EQ(why(""), "is empty");
  EXPECT_EQ(why("/etc/passwd"), "is absolute");
  EXPECT_EQ(why("//etc/passwd"), "is absolute");
  EXPECT_EQ(why(".."), "goes up with \"..\"");
  EXPECT_EQ(why("../out/secret"), "goes up with \"..\"");
  EXPECT_EQ(why("sub/../../out/secret"), "goes up with \"..\"");
  EXPECT_EQ(why("sub/.."), "goes up with \"..\"");
  EXPECT_EQ(why("sub//weights.bin"), "has an empty component");
  EXPECT_EQ(why("sub/"), "has an empty component");
  EXPECT_EQ(why("."), "names no file");
  EXPECT_EQ(why(std::string_view("model.onnx\0/../x", 16)), "holds a NUL byte");
  EXPECT_EQ(why(std::string(256, 'a')), "has a name longer than 255 bytes");
  EXPECT_EQ(why(std::string(5000, 'a')), "is longer than 4095 bytes");
  std::string deep;
  for (int i = 0; i < 200; ++i) deep += "a/";
  EXPECT_EQ(why(deep + "b"), "is deeper than 128 folders");
}

TEST_P(JailTest, RefusesLinksAnywhere) {
  fs::create_symlink("../out/secret", path("in/link"));
  fs::create_symlink("model.onnx", path("in/inner"));  // harmless today, another file tomorrow
  fs::create_directory_symlink("../out", path("in/folder"));
  fs::create_directory_symlink("/proc/self/root", path("in/magic"));
  EXPECT_EQ(refusal("link"), "bad_input: a symbolic link is in the way: DIR/in/link");
  EXPECT_EQ(refusal("inner"), "bad_input: a symbolic link is in the way: DIR/in/inner");
  EXPECT_EQ(refusal("folder/secret"), "bad_input: a symbolic link is in the way: DIR/in/folder/secret");
  EXPECT_EQ(refusal("magic/etc/passwd"), "bad_input: a symbolic link is in the way: DIR/in/magic/etc/passwd");
  fs::create_hard_link(path("out/secret"), path("in/hard"));
  EXPECT_EQ(refusal("hard"), "bad_input: DIR/in/hard has 2 hard links");
  EXPECT_EQ(text_of(jail(HardLinks::allow).open("hard")), "secret");
}

TEST_P(JailTest, RefusesWhatIsNoFile) {
  ASSERT_EQ(mkfifo(path("in/pipe").c_str(), 0600), 0);
  EXPECT_EQ(refusal("pipe"), "bad_input: DIR/in/pipe is a pipe");
  EXPECT_EQ(refusal("sub"), "bad_input: DIR/in/sub is a folder");
  EXPECT_EQ(refusal("none"), "not_found: no such file: DIR/in/none");
  EXPECT_EQ(refusal("none/x"), "not_found: no such file: DIR/in/none/x");
  EXPECT_EQ(refusal("model.onnx/x"), "not_found: no such file: DIR/in/model.onnx/x");
  EXPECT_EQ(error([&] { jail().open("sub/weights.bin", 9); }),
            "budget: DIR/in/sub/weights.bin has 10 bytes, the limit is 9");
  EXPECT_EQ(error([&] { Jail(path("none"), HardLinks::refuse, GetParam()); }), "not_found: no such file: DIR/none");
  EXPECT_EQ(error([&] { Jail(path("in/model.onnx"), HardLinks::refuse, GetParam()); }),
            "bad_input: DIR/in/model.onnx is not a folder");
}

// A folder that is swapped with a link to the outside again and again: the secret is never read.
TEST_P(JailTest, RacingSwapsNeverEscape) {
  put("in/sub/secret", "inside");
  fs::create_directory_symlink("../out", path("in/evil"));
  std::atomic<bool> stop{false};
  std::thread attacker([&] {
    while (!stop.load()) {
      renameat2(AT_FDCWD, path("in/sub").c_str(), AT_FDCWD, path("in/evil").c_str(), RENAME_EXCHANGE);
    }
  });
  const Jail inside = jail();
  int opened = 0, refused = 0;
  for (int i = 0; i < 3000; ++i) {
    try {
      const std::string text = text_of(inside.open("sub/secret"));
      EXPECT_EQ(text, "inside");
      ++opened;
    } catch (const Error&) {
      ++refused;
    }
  }
  stop = true;
  attacker.join();
  EXPECT_EQ(opened + refused, 3000);
  EXPECT_GT(opened, 0);
}

TEST_P(JailTest, StaysInTheFolderThatWasOpened) {
  const Jail inside = jail();
  fs::rename(path("in"), path("moved"));
  fs::create_directory_symlink("out", path("in"));
  EXPECT_EQ(error([&] { inside.open("secret"); }), "not_found: no such file: DIR/in/secret");
  EXPECT_EQ(text_of(inside.open("model.onnx")), "model");
}

TEST_P(JailTest, CreatesBeneathOnly) {
  auto file = jail().create("sub/new.bin");
  file.write("hello");
  file.commit();
  EXPECT_EQ(get("in/sub/new.bin"), "hello");
  fs::create_directory_symlink("../out", path("in/folder"));
  EXPECT_EQ(error([&] { jail().create("folder/x"); }), "bad_input: a symbolic link is in the way: DIR/in/folder/x");
  EXPECT_EQ(error([&] { jail().create("../out/x"); }).substr(0, 35), "bad_input: path refused: \"../out/x\"");
  EXPECT_EQ(error([&] { jail().create("none/x"); }), "not_found: no such file: DIR/in/none/x");
  EXPECT_EQ(error([&] { jail().create("model.onnx/x"); }), "not_found: no such file: DIR/in/model.onnx/x");
  EXPECT_EQ(entries("out"), 1u);
  // A link under the target's own name is replaced, the file behind it stays.
  fs::create_symlink("../out/secret", path("in/target"));
  auto over = jail().create("target");
  over.write("mine");
  over.commit();
  EXPECT_EQ(get("out/secret"), "secret");
  EXPECT_FALSE(fs::is_symlink(path("in/target")));
}

TEST_F(File, AtomicFileAppearsCompleteOrNotAtAll) {
  {
    AtomicFile file(path("out/a"));
    file.write("half");
    EXPECT_FALSE(fs::exists(path("out/a")));
    EXPECT_EQ(entries("out"), 2u);  // the secret and the temporary
  }
  EXPECT_EQ(entries("out"), 1u);
  AtomicFile file(path("out/a"));
  file.write("abc");
  file.align(8);
  file.write("d");
  EXPECT_EQ(file.written(), 9);
  AtomicFile moved(std::move(file));
  moved.commit();
  EXPECT_EQ(get("out/a"), std::string("abc\0\0\0\0\0d", 9));
  EXPECT_EQ(entries("out"), 2u);
  EXPECT_EQ(error([&] { moved.commit(); }), "bad_input: second commit: DIR/out/a");
  EXPECT_EQ(error([&] { moved.write("x"); }), "bad_input: write after commit: DIR/out/a");
}

TEST_F(File, AtomicFileKeepsTheModeAndRefusesWhenAsked) {
  ASSERT_EQ(chmod(path("out/secret").c_str(), 0600), 0);
  AtomicFile file(path("out/secret"));
  file.write("new");
  file.commit();
  struct stat info {};
  ASSERT_EQ(stat(path("out/secret").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_EQ(error([&] { AtomicFile(path("out/secret"), AtomicFile::Existing::refuse); }),
            "already_exists: DIR/out/secret exists already");
  AtomicFile late(path("out/late"), AtomicFile::Existing::refuse);
  late.write("late");
  put("out/late", "first");  // somebody else was faster
  EXPECT_EQ(error([&] { late.commit(); }), "already_exists: DIR/out/late exists already");
  EXPECT_EQ(get("out/late"), "first");
  AtomicFile fresh(path("out/fresh"), AtomicFile::Existing::refuse);
  fresh.write("fresh");
  fresh.commit();
  EXPECT_EQ(get("out/fresh"), "fresh");
  EXPECT_EQ(error([&] { AtomicFile(path("none/a")); }), "not_found: no such folder: that of DIR/none/a");
  EXPECT_EQ(error([&] { AtomicFile(path("in")); }), "bad_input: cannot write DIR/in: Is a directory");
  EXPECT_EQ(error([&] { AtomicFile(path("in/")); }), "bad_input: not a file name: \"DIR/in/\"");
}

TEST_F(File, AFailedWriteLeavesNothingBehind) {
  struct rlimit before {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = signal(SIGXFSZ, SIG_IGN);
  struct rlimit small = before;
  small.rlim_cur = 1000;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string text = error([&] {
    AtomicFile file(path("out/secret"));
    file.write(std::string(900, 'x'));
    file.write(std::string(900, 'x'));
    file.commit();
  });
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, handler);
  EXPECT_EQ(text, "budget: cannot write DIR/out/secret: File too large (after 1000 bytes)");
  EXPECT_EQ(get("out/secret"), "secret");
  EXPECT_EQ(entries("out"), 1u);
}

TEST_F(File, NoDescriptorLeaks) {
  const int before = open_descriptors();
  for (int i = 0; i < 20; ++i) {
    const Jail jail(path("in"), HardLinks::refuse, i % 2 == 0 ? Jail::Method::automatic : Jail::Method::walk);
    EXPECT_EQ(jail.open("sub/weights.bin").size(), 10);
    EXPECT_THROW(jail.open("sub/none"), Error);
    EXPECT_THROW(jail.open("none/none"), Error);
    EXPECT_THROW(jail.open("sub"), Error);
    EXPECT_THROW(jail.open("model.onnx", 1), Error);
    EXPECT_THROW(jail.create("sub/none/x"), Error);
    EXPECT_THROW(jail.create("sub"), Error);
    jail.create("sub/x");
    EXPECT_THROW(read_whole(path("in"), 10), Error);
  }
  EXPECT_EQ(open_descriptors(), before);
}

}  // namespace
}  // namespace chorus
