#pragma once

#include <string>
#include <vector>

namespace slotmatch {

// Rows of cells as text; rows may have fewer cells than others.
using TextRows = std::vector<std::vector<std::string>>;

// Columns aligned by spaces.
std::string AlignedTable(const TextRows& rows);
// A Markdown table whose first row is its header.
std::string MarkdownTable(const TextRows& rows);

}  // namespace slotmatch
