#include "svm/reasons.h"

static const struct {
    int64_t code;
    const char *name;
} names[] = {
#define X(code, name, text, about, handler) {code, text},
    SVM_EXITS(X)
#undef X
};

const char *svm_exit_name(uint64_t code)
{
    for (unsigned i = 0; i < ARRAY_LENGTH(names); i++)
        if ((uint64_t)names[i].code == code)
            return names[i].name;
    return "undefined exit code";
}
