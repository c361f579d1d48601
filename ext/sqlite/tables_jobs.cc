// The table of what takes long right now.
#include "ext/sqlite/vtab.h"

#include "ext/base/clock.h"
#include "ext/engine/jobs.h"

namespace litestream {
namespace {

TableValue text_or_null(const std::string& text) {
  return text.empty() ? TableValue() : TableValue(text);
}

}  // namespace

Result<std::vector<TableRow>> jobs_rows(const TableQuery&) {
  std::vector<TableRow> rows;
  for (const JobInfo& job : running_jobs()) {
    rows.push_back({job.id, job.kind, text_or_null(job.database), text_or_null(job.replica),
                    static_cast<int64_t>(job.done_bytes),
                    job.total_bytes == 0 ? TableValue()
                                         : TableValue(static_cast<int64_t>(job.total_bytes)),
                    format_rfc3339_ms(job.started_at_ms)});
  }
  return rows;
}

}  // namespace litestream
