// The trained toy model, byte for byte, as part of the program. Knows no format.
#ifndef C_TOY_MODEL_H
#define C_TOY_MODEL_H

#include <stddef.h>

/// A file of the model's folder.
typedef struct {
    const char *name;
    const unsigned char *bytes;
    size_t count;
} CToyFile;

/// How many files the folder has.
size_t c_toy_file_count(void);

/// File `index`, in the order of their names. `index` must be below `c_toy_file_count()`.
CToyFile c_toy_file(size_t index);

#endif
