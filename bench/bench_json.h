// What every benchmark shares: alternating runs, medians, and one JSON object per line on stdout.
//
// A result is a ratio of two things measured in the same run, so that machines can be compared:
//   {"name":"crc64","value":12.3,"unit":"GB/s","baseline":0.5,"ratio":24.6,"page_bytes":4096}
// Threading: not thread-safe.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace litestream::bench {

inline constexpr int kRunsMin = 5;

// Keeps the compiler from dropping a computation.
template <typename T>
inline void keep(const T& value) {
  asm volatile("" : : "r,m"(value) : "memory");
}

inline double seconds_of(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

// The machine may change its pace between two runs, hardly between the two halves of one: the ratio
// is the median of the ratios, not the ratio of the medians.
inline double median_ratio(const std::vector<double>& subjects,
                           const std::vector<double>& baselines) {
  std::vector<double> ratios;
  for (size_t i = 0; i < subjects.size(); ++i) ratios.push_back(subjects[i] / baselines[i]);
  return median(std::move(ratios));
}

struct Medians {
  double subject_seconds = 0;
  double baseline_seconds = 0;
};

// Subject and baseline in turn, after one run of each that does not count.
inline Medians alternate(const std::function<void()>& subject,
                         const std::function<void()>& baseline, int runs = kRunsMin) {
  std::vector<double> subjects;
  std::vector<double> baselines;
  for (int i = -1; i < runs; ++i) {
    const double baseline_seconds = seconds_of(baseline);
    const double subject_seconds = seconds_of(subject);
    if (i < 0) continue;
    baselines.push_back(baseline_seconds);
    subjects.push_back(subject_seconds);
  }
  return {median(std::move(subjects)), median(std::move(baselines))};
}

struct Report {
  std::string name;
  double value = 0;
  std::string unit;
  double baseline = 0;  // in the same unit; 0: there is none, and no ratio
  std::vector<std::pair<std::string, double>> numbers;     // parameters and further results
  std::vector<std::pair<std::string, std::string>> texts;  // likewise; no quotes inside
  double ratio = 0;                                        // 0: value / baseline
};

inline void print(const Report& report) {
  std::printf("{\"name\":\"%s\",\"value\":%.6g,\"unit\":\"%s\"", report.name.c_str(), report.value,
              report.unit.c_str());
  if (report.baseline != 0) {
    const double ratio = report.ratio != 0 ? report.ratio : report.value / report.baseline;
    std::printf(",\"baseline\":%.6g,\"ratio\":%.4g", report.baseline, ratio);
  }
  for (const auto& [key, value] : report.numbers) std::printf(",\"%s\":%.6g", key.c_str(), value);
  for (const auto& [key, text] : report.texts) {
    std::printf(",\"%s\":\"%s\"", key.c_str(), text.c_str());
  }
  std::printf("}\n");
  std::fflush(stdout);
}

}  // namespace litestream::bench
