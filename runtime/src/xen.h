/* The handle of libxenctrl, opened at first use, and the error text of the Xen libraries. */
#ifndef XEN_H
#define XEN_H

#include <xenctrl.h>
#include <xentoollog.h>
#include "rt.h"

/* NULL with an exception pending where there is no Xen. */
xc_interface *xen_control(JSContext *ctx);
xentoollog_logger *xen_logger(void);
/* Forget the last error text; before a call whose failure xen_throw() may have to explain. */
void xen_clear(void);
/* An RtError from errno and the libraries' last error text. */
JSValue xen_throw(JSContext *ctx);
/* For calls that return negative with errno. */
JSValue xen_result(JSContext *ctx, int result);

#endif
