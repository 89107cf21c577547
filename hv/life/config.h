/* keel.conf: which VMs to run, and Keel's own settings. docs/configuration.md explains it to people. */
#pragma once

#include "hv/cpu/cpuid_features.h"
#include "hv/lib/base.h"
#include "hv/lib/format.h"
#include "hv/load/load.h"
#include "hv/vm/vm.h"

#define CONFIG_FILE     "keel.conf" /* the name of its module */
#define CONFIG_VMS_MOST 16
#define CONFIG_CPUS     256 /* cores that `cpus` can name: 0 to 255 */
#define CONFIG_KEYS     30  /* at least as many as a section has */
#define CONFIG_MODULES  16  /* of a VM, beside kernel and ramdisk */

enum config_all_off { ALL_OFF_POWEROFF, ALL_OFF_REBOOT, ALL_OFF_MONITOR };
enum config_report {
    REPORT_SHARES = 1,
    REPORT_EXITS = 2,
    REPORT_TRACE = 4
}; /* bits: what is said at a VM's end */
enum config_serial { SERIAL_CONSOLE, SERIAL_NONE, SERIAL_COM2, SERIAL_COM3, SERIAL_COM4 };
enum config_on_crash { ON_CRASH_HALT, ON_CRASH_RESTART };

#define RECORD_TO_MEMORY 5 /* in place of a port */

struct config_vm {
    char name[VM_NAME_MOST];
    bool start; /* false: something in its section is wrong, and has been said */
    uint64_t memory;
    unsigned vcpus;
    uint64_t cpus[CONFIG_CPUS / 64]; /* cores it may run on; all 0: any */
    unsigned weight;                 /* against other VMs, in their share of the cores' time */
    unsigned cap;                    /* percent of a core that it gets at most; 0: no limit */
    const char *cpuid; /* names of features with + or -; in cpuid_choice when the section has been read */
    struct cpuid_choice cpuid_choice;
    bool autostart;
    bool paused;                            /* at its first start */
    const char *after;                      /* the name of the VM after whose end it starts; NULL: none */
    const char *kernel, *ramdisk, *symbols; /* names of modules; NULL if not given */
    struct config_modules {
        unsigned count;
        const char *values[CONFIG_MODULES];          /* the name of a module, then its arguments */
        struct load_module resolved[CONFIG_MODULES]; /* set by config_resolve */
    } modules;
    const char *cmdline;
    enum config_serial serial;
    enum config_on_crash on_crash;
    bool testdev;
    struct config_record {
        unsigned port; /* 1 to 4: COM1 to COM4; 0: it is not recorded */
        uint64_t size; /* the longest that it may become, in bytes */
    } record;
    enum image_format format;
    gpa_t load; /* of a flat image */
    enum entry_mode entry;
    const struct module *kernel_module, *ramdisk_module, *symbols_module; /* set by config_resolve */
    unsigned line;               /* of its section's head; 0: there is no file */
    unsigned lines[CONFIG_KEYS]; /* where each key was set: 0 if nowhere */
};

#define CONFIG_CAP_MOST     (100 * VM_VCPUS_MOST)
#define CONFIG_MEMORY_LEAST MIB(1)
#define CONFIG_MEMORY_MOST  GIB(1024)
#define CONFIG_TRACE_LEAST  256
#define CONFIG_TRACE_MOST   (1u << 20)

/* Strings point into `text`: a struct config is not to be copied or moved. */
struct config {
    char file[32];
    struct config_console {
        unsigned port; /* 1 to 4: COM1 to COM4; 0: none */
        unsigned baud;
    } console;
    unsigned escape;           /* the console's escape key; 0: there is none */
    struct config_console gdb; /* a port for GDB alone */
    enum config_all_off all_off;
    unsigned report;             /* enum config_report */
    const char *forbid;          /* names of controls, with commas between them */
    const char *trace;           /* "off", or "on" and filters */
    unsigned trace_size;         /* records a core */
    unsigned lines[CONFIG_KEYS]; /* as in struct config_vm */
    struct config_vm vms[CONFIG_VMS_MOST];
    unsigned vm_count;
    char text[16384];
    unsigned text_used;
};

/*
 * Reads a configuration; `text` need not be terminated. Each thing that is wrong becomes a log line with
 * file, line, section, key and reason; a VM it concerns is not to be started, a setting of [keel] keeps its
 * default. Returns whether all was right.
 */
bool config_parse(const char *file, const char *text, size_t length, struct config *out);
