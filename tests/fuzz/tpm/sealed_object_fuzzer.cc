// What a volume's header says of its key: a sealed object, the storage root key, a PEM.
#include <cstdlib>

#include "seaworthy/tpm/seal.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace seaworthy::tpm;
  const seaworthy::ByteView bytes(data, size);
  static_cast<void>(ReadSrkName(bytes));
  static_cast<void>(PolicyKeyName(seaworthy::AsText(bytes)));
  const auto object = ParseSealedObject(bytes);
  if (!object.ok()) return 0;
  const auto again = ParseSealedObject(ToBlob(*object));
  if (!again.ok() || again->public_area != object->public_area ||
      again->private_area != object->private_area) {
    std::abort();
  }
  return 0;
}
