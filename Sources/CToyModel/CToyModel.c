// The files of Toy/, which are found relative to this one and carried by the program.
#include "CToyModel.h"

// C23 has #embed; clang knows it in every mode.
#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char chat_template[] = {
#embed "Toy/chat_template.jinja"
};
static const unsigned char config[] = {
#embed "Toy/config.json"
};
static const unsigned char generation_config[] = {
#embed "Toy/generation_config.json"
};
static const unsigned char model[] = {
#embed "Toy/model.safetensors"
};
static const unsigned char tokenizer[] = {
#embed "Toy/tokenizer.json"
};
static const unsigned char tokenizer_config[] = {
#embed "Toy/tokenizer_config.json"
};

#define TOY_FILE(name, bytes) {name, bytes, sizeof(bytes)}

static const CToyFile files[] = {
    TOY_FILE("chat_template.jinja", chat_template),
    TOY_FILE("config.json", config),
    TOY_FILE("generation_config.json", generation_config),
    TOY_FILE("model.safetensors", model),
    TOY_FILE("tokenizer.json", tokenizer),
    TOY_FILE("tokenizer_config.json", tokenizer_config),
};

size_t c_toy_file_count(void) { return sizeof(files) / sizeof(files[0]); }

CToyFile c_toy_file(size_t index) { return files[index]; }
