/* Who is at the console, and the locks under which that is changed. */
#include "hv/console/console_internal.h"

struct spinlock console_input_lock, console_output_lock;
struct console_client *console_clients[CONSOLE_CLIENTS];
struct console_client *console_focus;
unsigned console_awaited;
void (*console_taker)(int key);
