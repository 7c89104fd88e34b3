#include "ctl/secret_input.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <iostream>

#include "seaworthy/directory.h"
#include "seaworthy/handle.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::ctl {
namespace {

constexpr std::size_t kMaxLine = 1024;
constexpr std::size_t kMaxFile = std::size_t{64} << 10;
constexpr int kControlC = 3;

Status Unusable(std::string_view reason, const std::string& what, std::string_view why) {
  return Fail(Code::kInvalidArgument, reason, what + ": " + std::string(why));
}

// Neither echo nor signals while it lives: a program that is ended in between would leave a
// terminal without echo. Control-C ends the line instead.
class Silence {
 public:
  explicit Silence(bool real) {
    if (!real || tcgetattr(STDIN_FILENO, &before_) != 0) return;
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO | ISIG);
    silent.c_cc[VEOL] = kControlC;
    silenced_ = tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) == 0;
  }
  ~Silence() {
    if (silenced_) tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
  }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;

 private:
  termios before_ = {};
  bool silenced_ = false;
};

bool IsStandardInput(const Terminal& terminal) { return &terminal.in == &std::cin; }

// Character by character: what reads a whole line leaves pieces of it in memory as it grows.
Result<SecretBytes> ReadLine(Terminal& terminal, const std::string& what) {
  // For the same reason the C library must not buffer, and has not yet.
  if (IsStandardInput(terminal)) std::setvbuf(stdin, nullptr, _IONBF, 0);
  SecretBytes line(kMaxLine);
  std::size_t size = 0;
  for (;;) {
    const int c = terminal.in.get();
    if (c == kControlC) return Unusable("INTERRUPTED", what, "interrupted");
    if (c == '\n' || c == std::istream::traits_type::eof()) break;
    if (size == line.size()) return Unusable("SECRET_TOO_LONG", what, "the line is too long");
    line.data()[size++] = static_cast<std::uint8_t>(c);
  }
  if (size == 0) return Unusable("SECRET_MISSING", what, "nothing was given");
  return SecretBytes::Copy({line.data(), size});
}

Result<SecretBytes> AskOnce(Terminal& terminal, const std::string& prompt,
                            const std::string& what) {
  terminal.err << prompt << ": " << std::flush;
  Result<SecretBytes> secret = [&] {
    const Silence silence(IsStandardInput(terminal));
    return ReadLine(terminal, what);
  }();
  terminal.err << "\n";
  return secret;
}

}  // namespace

Result<SecretBytes> AskSecret(Terminal& terminal, const std::string& what, bool twice) {
  ASSIGN_OR_RETURN(SecretBytes secret, AskOnce(terminal, what, what));
  if (!twice) return secret;
  ASSIGN_OR_RETURN(const SecretBytes again, AskOnce(terminal, what + " again", what));
  if (!std::ranges::equal(secret.view(), again.view())) {
    return Unusable("SECRETS_DIFFER", what, "the second is not the first");
  }
  return secret;
}

Result<SecretBytes> ReadSecretLine(Terminal& terminal, const std::string& what) {
  return ReadLine(terminal, what);
}

Result<SecretBytes> ReadSecretFile(const std::string& path, bool line) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!file) return FromErrno(errno, "open " + path);
  SecretBytes content(kMaxFile + 1);
  std::size_t size = 0;
  while (size < content.size()) {
    const ssize_t got = read(file.get(), content.data() + size, content.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FromErrno(errno, "read " + path);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  if (size > kMaxFile) return Unusable("SECRET_TOO_LONG", path, "has more than 64 KiB");
  if (line) {
    if (size > 0 && content.data()[size - 1] == '\n') --size;
    if (std::count(content.data(), content.data() + size, '\n') != 0) {
      return Unusable("SECRET_MALFORMED", path, "has more than one line");
    }
  }
  if (size == 0) return Unusable("SECRET_MISSING", path, "is empty");
  return SecretBytes::Copy({content.data(), size});
}

void Cleanse(std::string& secret) {
  if (secret.empty()) return;  // it may be the one empty string that all messages share
  OPENSSL_cleanse(secret.data(), secret.size());
  secret.clear();
}

void CleansedAtEnd::Cleanse(google::protobuf::Message& message) {
  using Field = google::protobuf::FieldDescriptor;
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  std::vector<const Field*> fields;
  reflection.ListFields(message, &fields);
  for (const Field* field : fields) {
    if (field->cpp_type() == Field::CPPTYPE_MESSAGE) {
      if (!field->is_repeated()) Cleanse(*reflection.MutableMessage(&message, field));
      for (int i = 0; field->is_repeated() && i < reflection.FieldSize(message, field); ++i) {
        Cleanse(*reflection.MutableRepeatedMessage(&message, field, i));
      }
    } else if (field->type() == Field::TYPE_BYTES && !field->is_repeated()) {
      std::string scratch;
      // Reflection gives no mutable string; this one is the message's own, and not constant.
      ctl::Cleanse(
          const_cast<std::string&>(reflection.GetStringReference(message, field, &scratch)));
    }
  }
}

}  // namespace seaworthy::ctl
