#pragma once

#include <string>
#include <vector>

#include "trainer/report/run_record.h"

namespace slotmatch {

// A picture of the report with what its rows show.
struct ReportPicture {
  std::string title;
  std::vector<std::string> rows;
  std::string png;
};

// One self-contained HTML page, which opens without a network: a table of scores with one row per
// recipe (mean and standard deviation over seeds) and one group of columns per scored set, as in
// the paper's tables; curves of every logged value; settings; pictures. `runs` is not empty.
std::string HtmlReport(const std::vector<RunRecord>& runs,
                       const std::vector<ReportPicture>& pictures);

}  // namespace slotmatch
