#include "mcp/restore_follow.h"

#include <algorithm>
#include <chrono>
#include <ostream>

#include "mcp/interrupt_scope.h"
#include "mcp/json_writer.h"
#include "mcp/terminal.h"

namespace litestream {
namespace {

constexpr const char* kName = "restore";
constexpr int64_t kIntervalMs = 1000;
constexpr int64_t kIntervalMsMax = 24 * 3600 * int64_t{1000};
constexpr int64_t kBackoffMsMax = 30'000;
constexpr std::chrono::seconds kSayAgain{60};

struct Unit {
  std::string_view name;
  double ms;
};
// The longer of two that begin alike first.
constexpr Unit kUnits[] = {{"ms", 1}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}};

// Takes one number and its unit off the front of `text`.
bool take_part(std::string_view* text, double* ms) {
  size_t digits = 0;
  double number = 0;
  double place = 0;  // 0: before the point
  for (; digits < text->size(); ++digits) {
    const char c = (*text)[digits];
    if (c == '.' && place == 0) {
      place = 1;
    } else if (c >= '0' && c <= '9') {
      if (place == 0) number = number * 10 + (c - '0');
      if (place != 0) number += (c - '0') * (place /= 10);
    } else {
      break;
    }
  }
  if (digits == 0) return false;
  text->remove_prefix(digits);
  for (const Unit& unit : kUnits) {
    if (!text->starts_with(unit.name)) continue;
    text->remove_prefix(unit.name.size());
    *ms += number * unit.ms;
    return true;
  }
  return false;
}

// Says the same thing once a minute.
class Complaint {
 public:
  explicit Complaint(std::ostream& err) : err_(err) {}
  void say(const std::string& message) {
    const auto now = std::chrono::steady_clock::now();
    if (message == last_ && now - said_at_ < kSayAgain) return;
    last_ = message;
    said_at_ = now;
    err_ << "litestream restore: " << message << "; trying again\n" << std::flush;
  }
  void over() { last_.clear(); }

 private:
  std::ostream& err_;
  std::string last_;
  std::chrono::steady_clock::time_point said_at_;
};

void print_step(const std::vector<SqlValue>& row, const std::string& output, bool as_json,
                Streams streams) {
  const bool restored = to_text(row[4]) == "1";
  if (!as_json) {
    streams.out << (restored ? "restored " : "followed ") << output << " to TXID "
                << to_text(row[0]) << " (" << to_text(row[1]) << "), " << to_text(row[2])
                << " bytes\n"
                << std::flush;
    return;
  }
  JsonWriter writer;
  writer.begin_object().key("db_path").string(output).key("txid").string(to_text(row[0]));
  writer.key("timestamp").string(to_text(row[1])).key("size").raw(to_text(row[2]));
  writer.key("pages").raw(to_text(row[3])).key("restored").boolean(restored);
  streams.out << writer.end_object().text() << '\n' << std::flush;
}

}  // namespace

Result<int64_t> follow_interval_ms(const ParsedArgs& args) {
  if (!args.has("follow-interval")) return kIntervalMs;
  const std::string written = args.value("follow-interval");
  std::string_view text = written;
  double ms = 0;
  bool is_right = !text.empty();
  while (is_right && !text.empty()) is_right = take_part(&text, &ms);
  if (is_right && ms >= 1 && ms <= static_cast<double>(kIntervalMsMax)) {
    return static_cast<int64_t>(ms);
  }
  return invalid_argument("-follow-interval is a time from 1ms to 24h, for example 500ms or 1m30s");
}

int restore_and_follow(SqlSession& session, const SqlParameters& parameters, int64_t interval_ms,
                       bool as_json, Streams streams) {
  InterruptScope interrupt;
  Complaint complaint(streams.err);
  std::string output;
  for (const auto& [name, value] : parameters) {
    if (name == "output") output = to_text(value);
  }
  int64_t wait_ms = interval_ms;
  while (true) {
    const auto rows = [&] {
      const ProgressLine progress(streams.err, streams.err_is_terminal, "follow");
      return session.run("commands/follow", parameters, interrupt.cancellation());
    }();
    if (interrupt.cancellation().is_cancelled()) return kExitOk;
    if (rows.ok() && rows->rows.empty())
      return failure(streams, kName, internal_error("no answer"));
    if (rows.ok()) {
      const std::vector<SqlValue>& row = rows->rows[0];
      complaint.over();
      wait_ms = interval_ms;
      if (to_text(row[3]) != "0") print_step(row, output, as_json, streams);
      const bool is_current = to_text(row[5]) == "1";
      if (!is_current) continue;
    } else if (rows.status().retryable()) {
      complaint.say(rows.status().message());
      wait_ms = std::max(interval_ms, std::min(wait_ms * 2, kBackoffMsMax));
    } else {
      return failure(streams, kName, rows.status());
    }
    if (!interrupt.sleep(std::chrono::milliseconds(wait_ms))) return kExitOk;
  }
}

}  // namespace litestream
