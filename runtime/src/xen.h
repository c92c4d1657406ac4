/* What the users of the Xen libraries share: the handle of libxenctrl, opened at first use, and the error text. */
#ifndef XEN_H
#define XEN_H

#include <xenctrl.h>
#include <xentoollog.h>
#include "rt.h"

#define VCPUS_MAX 64

/* NULL with an exception pending where there is no Xen. */
xc_interface *xen_control(JSContext *ctx);
xentoollog_logger *xen_logger(void);
/* Forgets the last error; to be called before what xen_throw() may have to explain. */
void xen_clear(void);
JSValue xen_throw(JSContext *ctx); /* from errno and the libraries' last error text */
JSValue xen_outcome(JSContext *ctx, int result);        /* undefined, or xen_throw() when negative */
JSValue xen_outcome_number(JSContext *ctx, int result); /* the number, or xen_throw() when negative */

#endif
