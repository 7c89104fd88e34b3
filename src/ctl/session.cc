#include "ctl/session.h"

#include "ctl/json.h"
#include "ctl/render.h"
#include "seaworthy/directory.h"

namespace seaworthy::ctl {
namespace {

// Nothing that a command writes is a secret.
constexpr mode_t kFileMode = 0644;

}  // namespace

void Session::Answer(const google::protobuf::Message& message, const std::string& text) {
  if (json()) {
    terminal_.out << ToJson(message, true) << "\n";
  } else {
    terminal_.out << text;
  }
}

bool Session::AnswerPart(const google::protobuf::Message& message, const std::string& text) {
  terminal_.out << (json() ? ToJson(message, false) + "\n" : text) << std::flush;
  return terminal_.out.good();
}

Outcome Session::Deliver(const google::protobuf::Message& message, const std::string& file,
                         ByteView product, const std::string& shown, const std::string& what) {
  if (file.empty()) {
    Answer(message, shown);
    return {};
  }
  if (Status status = ReplaceFile(file, product, kFileMode); !status.ok()) {
    return Usage(Wrap(status, "cannot write " + what));
  }
  Answer(message, "wrote " + what + " to " + Printable(file) + "\n");
  return {};
}

Outcome Session::Confirm(bool yes, const std::string& question) {
  if (yes) return {};
  if (!terminal_.interactive) return Usage("there is no terminal to ask on; give --yes");
  terminal_.err << question << " [y/N] " << std::flush;
  std::string answer;
  std::getline(terminal_.in, answer);
  if (answer == "y" || answer == "Y" || answer == "yes") return {};
  return {ExitCode::kNo, Fail(Code::kCancelled, "NOT_CONFIRMED", "nothing was done"), ""};
}

Outcome Session::Tell(const verify::Verdict& verdict) {
  terminal_.out << (json() ? ToJson(verdict) + "\n" : RenderVerdict(verdict, style()));
  return {verdict.trusted ? ExitCode::kDone : ExitCode::kNo, {}, ""};
}

}  // namespace seaworthy::ctl
