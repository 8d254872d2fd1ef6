#include "client/admin.h"

#include "absl/strings/str_cat.h"
#include "client/admin_commands.h"
#include "client/server_options.h"
#include "core/base/options.h"
#include "core/base/status.h"
#include "core/base/text_table.h"

namespace slotmatch {
namespace {

std::string CommandHelp() {
  TextRows rows;
  for (const AdminCommand& command : AdminCommands()) {
    rows.push_back({absl::StrCat("  ", command.name), command.arguments, command.help});
  }
  return "Commands:\n" + AlignedTable(rows);
}

absl::StatusOr<const AdminCommand*> FindCommand(const std::vector<std::string>& words) {
  if (words.empty()) return absl::InvalidArgumentError("admin needs a command; see admin --help");
  for (const AdminCommand& command : AdminCommands()) {
    if (words[0] != command.name) continue;
    const size_t given = words.size() - 1;
    if (given >= command.min_arguments && given <= command.max_arguments) return &command;
    return absl::InvalidArgumentError(
        absl::StrCat("the command is: admin ", command.name, " ", command.arguments));
  }
  return absl::InvalidArgumentError(
      absl::StrCat("there is no admin command '", words[0], "'; see admin --help"));
}

}  // namespace

absl::Status RunAdmin(int argc, char** argv) {
  ServerOptions server;
  server.server.address = "localhost:50052";
  double timeout_s = 60;
  AdminCall call;
  OptionTable options("slotmatch_client admin COMMAND", "Runs a slotmatch_server.");
  server.AddTo(&options);
  options.Flag("json", "print the answer as JSON", &call.json);
  options.Text("out", "FILE", "trace-stop: where the trace goes", &call.out);
  options.Integer("max-frames", "N", "trace-start: record at most N frames; 0: 10000",
                  &call.max_frames);
  options.Flag("end-sessions", "unload: open sessions end, too", &call.end_sessions);
  options.Number("timeout", "SECONDS", "how long the server may take", &timeout_s);
  options.Epilog(CommandHelp());
  SM_ASSIGN_OR_RETURN(auto words, options.Parse(argc, argv, OptionTable::kAnyNumber));
  if (options.PrintedAnswer(ClientLibraries())) return absl::OkStatus();
  SM_ASSIGN_OR_RETURN(const AdminCommand* const command, FindCommand(words));
  SM_RETURN_IF_ERROR(server.Finish());
  call.patience = absl::Seconds(timeout_s);
  SM_ASSIGN_OR_RETURN(const auto channel, server.Connect());
  call.stub = v1::AdminService::NewStub(channel);
  call.arguments.assign(words.begin() + 1, words.end());
  return Annotate(command->run(call), command->name);
}

}  // namespace slotmatch
