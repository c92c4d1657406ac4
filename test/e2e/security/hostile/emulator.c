/*
 * What an emulator does to a guest, tried on any domain: `emulator ATTACK DOMID` prints `ok`, or the name of the error. Plain requests through
 * Linux's privcmd, as from a QEMU that has been broken into.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xenctrl.h>
#include <xendevicemodel.h>
#include <xenforeignmemory.h>
#include <xen/hvm/dm_op.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>

#define ISA_LINE 5
#define PCI_SLOT 3
#define LOCAL_APICS 0xfee00000
#define VECTOR 0x30
#define GENERAL_PROTECTION 13
#define HARDWARE_EXCEPTION 3 /* as in VMCBs and VMCSs */
#define NO_ERROR_CODE (-1)

static xendevicemodel_handle *emulator;
static xc_interface *xen;
static domid_t domid;

static int create_server(int buffered, ioservid_t *server) {
  return xendevicemodel_create_ioreq_server(emulator, domid, buffered, server);
}

/* Receives what the guest asks of its devices. */
static int take_requests(void) {
  ioservid_t server;
  return create_server(HVM_IOREQSRV_BUFIOREQ_OFF, &server) || xendevicemodel_destroy_ioreq_server(emulator, domid, server);
}

static int map(unsigned int type, unsigned int id, unsigned long frame) {
  xenforeignmemory_handle *memory = xenforeignmemory_open(NULL, 0);
  void *page = NULL;
  xenforeignmemory_resource_handle *pages = xenforeignmemory_map_resource(memory, domid, type, id, frame, 1, &page, PROT_READ, 0);
  if (!pages)
    return -1;
  return xenforeignmemory_unmap_resource(memory, pages);
}

/* Where that cannot be had, the first one's pages are tried: whoever has one has that. */
static int map_requests(void) {
  ioservid_t server = 0;
  bool made = create_server(HVM_IOREQSRV_BUFIOREQ_LEGACY, &server) == 0;
  int result = map(XENMEM_resource_ioreq_server, server, XENMEM_resource_ioreq_server_frame_ioreq(0));
  int error = errno;
  if (made)
    xendevicemodel_destroy_ioreq_server(emulator, domid, server);
  errno = error;
  return result;
}

/* What the domain has granted, to whomever. */
static int map_grants(void) { return map(XENMEM_resource_grant_table, XENMEM_resource_grant_table_id_shared, 0); }

static int raise_isa(void) { return xendevicemodel_set_isa_irq_level(emulator, domid, ISA_LINE, 1); }
static int raise_pci(void) { return xendevicemodel_set_pci_intx_level(emulator, domid, 0, 0, PCI_SLOT, 0, 1); }
static int raise_msi(void) { return xendevicemodel_inject_msi(emulator, domid, LOCAL_APICS, VECTOR); }
static int raise_fault(void) {
  return xendevicemodel_inject_event(emulator, domid, 0, GENERAL_PROTECTION, HARDWARE_EXCEPTION, 0, 0, NO_ERROR_CODE);
}
static int read_parameter(void) {
  uint64_t value;
  return xc_hvm_param_get(xen, domid, HVM_PARAM_STORE_PFN, &value);
}
static int write_parameter(void) { return xc_hvm_param_set(xen, domid, HVM_PARAM_STORE_PFN, 0); }
static int move_memory(void) { return xc_domain_add_to_physmap(xen, domid, XENMAPSPACE_gmfn, 0, 1); }
static int reset_channels(void) { return xc_evtchn_reset(xen, domid); }

static const struct {
  const char *name;
  int (*act)(void);
} attacks[] = {
    {"take-requests", take_requests},   {"map-requests", map_requests}, {"map-grants", map_grants},
    {"raise-isa", raise_isa},           {"raise-pci", raise_pci},       {"raise-msi", raise_msi},
    {"raise-fault", raise_fault},       {"move-memory", move_memory},   {"read-parameter", read_parameter},
    {"write-parameter", write_parameter}, {"reset-channels", reset_channels},
};

int main(int argc, char **argv) {
  if (argc != 3)
    return EXIT_FAILURE;
  emulator = xendevicemodel_open(NULL, 0);
  xen = xc_interface_open(NULL, NULL, 0);
  if (!emulator || !xen)
    return EXIT_FAILURE;
  domid = (domid_t)atoi(argv[2]);
  for (size_t i = 0; i < sizeof attacks / sizeof attacks[0]; i++)
    if (!strcmp(attacks[i].name, argv[1]))
      return puts(attacks[i].act() == 0 ? "ok" : strerrorname_np(errno)) < 0;
  return EXIT_FAILURE;
}
