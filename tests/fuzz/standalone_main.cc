// Runs a fuzz target as an ordinary test: every file of the folders (or single files) named on the
// command line as it is, then a seeded series of mutations of each.
//
// Environment: LITESTREAM_FUZZ_RUNS, mutations per file (default 2000; 0: only the files);
// LITESTREAM_TEST_SEED. If the target dies, the input is left in ./crash-input, to be given as the
// only argument with LITESTREAM_FUZZ_RUNS=0, and the exit code is 1.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/fuzz/fuzz.h"
#include "tests/support/prng.h"

extern "C" void __sanitizer_set_death_callback(void (*callback)()) __attribute__((weak));

namespace litestream::test {
namespace {

using Input = std::vector<uint8_t>;

const Input* current_input = nullptr;

void keep_input() {
  if (current_input == nullptr) return;
  const int file = open("crash-input", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  const char message[] = "fuzz: the input is in ./crash-input\n";
  if (file < 0 || write(file, current_input->data(), current_input->size()) < 0 ||
      write(STDERR_FILENO, message, sizeof message - 1) < 0) {
    return;
  }
  close(file);
}

extern "C" void on_death(int) {
  keep_input();
  _exit(1);
}

void run(const Input& input) {
  current_input = &input;
  LLVMFuzzerTestOneInput(input.data(), input.size());
  current_input = nullptr;
}

Input read_input(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return Input(std::istreambuf_iterator<char>(in), {});
}

std::vector<Input> read_inputs(int count, char** paths) {
  std::vector<std::filesystem::path> files;
  for (int i = 0; i < count; ++i) {
    if (!std::filesystem::is_directory(paths[i])) files.emplace_back(paths[i]);
    if (!std::filesystem::is_directory(paths[i])) continue;
    for (const auto& entry : std::filesystem::directory_iterator(paths[i])) {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  std::vector<Input> inputs;
  for (const auto& file : files) inputs.push_back(read_input(file));
  return inputs;
}

// Numbers that sit on the edges of what parsers compare with.
uint64_t edge_number(Prng& random) {
  const uint64_t power = uint64_t{1} << random.below(64);
  return power + random.below(3) - 1;
}

void overwrite(Input& input, size_t at, uint64_t value, size_t bytes, bool is_big_endian) {
  for (size_t i = 0; i < bytes && at + i < input.size(); ++i) {
    const size_t shift = 8 * (is_big_endian ? bytes - 1 - i : i);
    input[at + i] = static_cast<uint8_t>(value >> shift);
  }
}

void mutate_once(Input& input, const Input& other, Prng& random) {
  const auto place = [&](const Input& in) {
    return static_cast<ptrdiff_t>(random.below(in.size() + 1));
  };
  const ptrdiff_t at = place(input);
  const ptrdiff_t length = std::min<ptrdiff_t>(static_cast<ptrdiff_t>(random.between(1, 32)),
                                               static_cast<ptrdiff_t>(input.size()) - at);
  switch (random.below(8)) {
    case 0:
    case 1: overwrite(input, static_cast<size_t>(at), random.next(), 1, true); break;
    case 2:
      if (static_cast<size_t>(at) < input.size()) {
        input[static_cast<size_t>(at)] ^= static_cast<uint8_t>(1 << random.below(8));
      }
      break;
    case 3:
      overwrite(input, static_cast<size_t>(at), edge_number(random), size_t{1} << random.below(4),
                random.chance(2));
      break;
    case 4: input.erase(input.begin() + at, input.begin() + at + length); break;
    case 5:
      input.insert(input.begin() + at, static_cast<size_t>(random.between(1, 16)),
                   static_cast<uint8_t>(random.next()));
      break;
    case 6: {
      const Input copy(input.begin() + at, input.begin() + at + length);
      input.insert(input.begin() + place(input), copy.begin(), copy.end());
      break;
    }
    default:  // the front of this one and the back of another
      input.resize(static_cast<size_t>(at));
      input.insert(input.end(), other.begin() + place(other), other.end());
  }
}

int run_all(int argc, char** argv) {
  const std::vector<Input> inputs = read_inputs(argc - 1, argv + 1);
  if (inputs.empty()) {
    std::cerr << "fuzz: no input; name a folder\n";
    return 2;
  }
  std::signal(SIGABRT, on_death);
  if (__sanitizer_set_death_callback != nullptr) {
    __sanitizer_set_death_callback(keep_input);
  } else {
    for (const int number : {SIGSEGV, SIGBUS, SIGFPE, SIGILL}) std::signal(number, on_death);
  }
  for (const Input& input : inputs) run(input);

  const char* runs_text = std::getenv("LITESTREAM_FUZZ_RUNS");
  const uint64_t runs = runs_text != nullptr ? std::strtoull(runs_text, nullptr, 10) : 2000;
  Prng random = Prng::announced(argv[0], 1);
  for (const Input& original : inputs) {
    for (uint64_t i = 0; i < runs; ++i) {
      Input input = original;
      for (uint64_t k = random.between(1, 4); k > 0; --k) {
        mutate_once(input, inputs[random.below(inputs.size())], random);
      }
      run(input);
    }
  }
  std::cerr << "fuzz: " << inputs.size() << " files, " << runs << " mutations of each\n";
  return 0;
}

}  // namespace
}  // namespace litestream::test

int main(int argc, char** argv) { return litestream::test::run_all(argc, argv); }
