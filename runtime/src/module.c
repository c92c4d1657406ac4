/* Registration of the module: every export goes through one trampoline, which checks its arguments. */
#include "rt.h"

#define MODULE_NAME "ennead:rt"
#define FUNCTIONS_MAX 128

static const struct rt_export *const tables[] = {
    program_exports, loop_exports,         file_exports,   path_exports,   system_exports,        process_exports,
    socket_exports,  network_exports,      block_exports,  region_exports, event_channel_exports, domain_exports,
    device_exports,  domain_build_pv_exports, domain_build_pvh_exports, domain_build_hvm_exports, host_exports,   handler_exports, box_exports,
};

static const struct rt_export *functions[FUNCTIONS_MAX];
static int function_count;
static const char *current_op = "start";
static int program_argc;
static char **program_argv;

const char *module_current_op(void) { return current_op; }

static int arity(const struct rt_export *export) {
  int count = 0;
  while (export->parameters[count].kind != NOTHING)
    count++;
  return count;
}

static JSValue call(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv, int index) {
  (void)this_value, (void)argc; /* QuickJS pads argv to the arity */
  const struct rt_export *export = functions[index];
  struct argument arguments[PARAMETERS_MAX] = {0};
  const char *outer = current_op; /* options objects may have getters that call another export */
  int count = arity(export);
  current_op = export->name;
  for (int i = 0; i < count; i++)
    arguments[i].value = argv[i];
  JSValue result =
      arguments_read(ctx, export->parameters, arguments, count) ? export->call(ctx, arguments) : JS_EXCEPTION;
  arguments_free(ctx, export->parameters, arguments, count);
  current_op = outer;
  return result;
}

JSValue module_function(JSContext *ctx, const struct rt_export *export) {
  int index = 0;
  while (index < function_count && functions[index] != export)
    index++;
  if (index == FUNCTIONS_MAX)
    return JS_ThrowInternalError(ctx, "more than %d functions", FUNCTIONS_MAX);
  functions[index] = export;
  function_count += index == function_count;
  return JS_NewCFunctionMagic(ctx, call, export->name, arity(export), JS_CFUNC_generic_magic, index);
}

static JSValue program_arguments(JSContext *ctx) {
  JSValue list = JS_NewArray(ctx);
  for (int i = 0; i < program_argc; i++)
    result_append(ctx, &list, (uint32_t)i, JS_NewString(ctx, program_argv[i]));
  return list;
}

/* Calls `add` for every export of the module. */
static int each_export(JSContext *ctx, JSModuleDef *module,
                       int (*add)(JSContext *, JSModuleDef *, const struct rt_export *)) {
  for (size_t table = 0; table < sizeof tables / sizeof *tables; table++)
    for (const struct rt_export *export = tables[table]; export->name; export++)
      if (add(ctx, module, export) < 0)
        return -1;
  return 0;
}

static int declare(JSContext *ctx, JSModuleDef *module, const struct rt_export *export) {
  return JS_AddModuleExport(ctx, module, export->name);
}

static int define(JSContext *ctx, JSModuleDef *module, const struct rt_export *export) {
  return JS_SetModuleExport(ctx, module, export->name, module_function(ctx, export));
}

static int initialise(JSContext *ctx, JSModuleDef *module) {
  return each_export(ctx, module, define) < 0 ? -1 : JS_SetModuleExport(ctx, module, "args", program_arguments(ctx));
}

int module_register(JSContext *ctx, int argc, char **argv) {
  program_argc = argc;
  program_argv = argv;
  JSModuleDef *module = JS_NewCModule(ctx, MODULE_NAME, initialise);
  return !module || each_export(ctx, module, declare) < 0 ? -1 : JS_AddModuleExport(ctx, module, "args");
}
