// From a key's files to the key.
#pragma once

#include "modules/keys/store.h"
#include "seaworthy/modules/keys.h"

namespace seaworthy::keys {

// FAILED_PRECONDITION: KEY_DAMAGED when the parts don't fit together, KEY_UNSUITABLE when a
// key is not one that this daemon makes.
Result<Key> ReadKey(const Store::Files& files);

}  // namespace seaworthy::keys
