/*
 * A guest that uses its emulated hardware at random: I/O ports, the configuration and the registers of its PCI devices, and whatever else answers in
 * the upper memory. It runs alone on the machine, with interrupts off, loaded by GRUB as a Multiboot kernel; the first module begins with the seed in
 * decimal digits. What it has done so far it says on the first serial port, which it therefore leaves alone.
 */
#include <stdint.h>

#define SERIAL 0x3f8u
#define SERIAL_PORTS 8u
#define SERIAL_READY 0x20u
#define REPORT_EVERY 2000u
#define REGIONS_MAX 64u
#define PCI_ADDRESS 0xcf8u
#define PCI_DATA 0xcfcu

struct multiboot { uint32_t flags, memory[2], boot_device, command_line, modules_count, modules; };
struct module { uint32_t start, end; };

/* What ends or restarts the machine at once, and with it the run. */
static const uint16_t left_alone[] = {0x92, 0xcf9, 0xb004, 0xb005};

struct region { uint32_t base, size; int memory; };
/* Devices at fixed places; those of PCI are added. @source QEMU 7.2 hw/i386/pc.c, hw/isa/piix3.c, hw/acpi/piix4.c, Xen 4.17 hvm/hvmloader */
static struct region regions[REGIONS_MAX] = {
    {0x0000, 0x100, 0},   {0x170, 8, 0},       {0x1f0, 8, 0},      {0x376, 1, 0},        {0x3b0, 0x30, 0},  {0x3f0, 7, 0},
    {0x510, 12, 0},       {0xcf8, 8, 0},       {0xae00, 0x40, 0},  {0xaf00, 0x40, 0},    {0xafe0, 0x20, 0}, {0xb000, 0x140, 0},
    {0x0000, 0x10000, 0}, {0xa0000, 0x20000, 1}, {0xfec00000, 0x1000, 1}, {0xfed00000, 0x1000, 1}, {0xfee00000, 0x1000, 1},
    {0xf0000000, 0xc000000, 1},
};
static uint32_t region_count = 18;

static inline void out8(uint16_t port, uint8_t value) { __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }
static inline void out16(uint16_t port, uint16_t value) { __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port)); }
static inline void out32(uint16_t port, uint32_t value) { __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port)); }
static inline uint8_t in8(uint16_t port) { uint8_t v; __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port)); return v; }
static inline uint16_t in16(uint16_t port) { uint16_t v; __asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port)); return v; }
static inline uint32_t in32(uint16_t port) { uint32_t v; __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port)); return v; }

static uint32_t state;
/* xorshift32: Marsaglia, Journal of Statistical Software 8(14), 2003 */
static uint32_t draw(void) {
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state;
}
static uint32_t below(uint32_t bound) { return draw() % bound; }

static void say(const char *text) {
  for (; *text; text++) {
    while (!(in8(SERIAL + 5) & SERIAL_READY)) {}
    out8(SERIAL, (uint8_t)*text);
  }
}

static void say_number(uint32_t number) {
  char digits[11];
  char *at = digits + sizeof digits - 1;
  *at = 0;
  do {
    *--at = (char)('0' + number % 10);
    number /= 10;
  } while (number);
  say(at);
}

static uint32_t seed_of(const struct multiboot *boot) {
  uint32_t seed = 0;
  if (boot->flags & 8 && boot->modules_count > 0)
    for (const char *digit = (const char *)((const struct module *)boot->modules)->start; *digit >= '0' && *digit <= '9'; digit++)
      seed = seed * 10 + (uint32_t)(*digit - '0');
  return seed ? seed : 1;
}

static uint32_t pci_address(uint32_t function, uint32_t offset) { return 0x80000000u | function << 8 | offset; }
static uint32_t pci_read(uint32_t function, uint32_t offset) {
  out32(PCI_ADDRESS, pci_address(function, offset));
  return in32(PCI_DATA);
}
static void pci_write(uint32_t function, uint32_t offset, uint32_t value) {
  out32(PCI_ADDRESS, pci_address(function, offset));
  out32(PCI_DATA, value);
}

/* All functions of bus 0: with decoding and bus mastering on, their registers are where the firmware has put them. */
static void find_devices(void) {
  for (uint32_t function = 0; function < 256; function++) {
    if (pci_read(function, 0) == 0xffffffffu)
      continue;
    pci_write(function, 4, pci_read(function, 4) | 7);
    for (uint32_t offset = 0x10; offset < 0x28 && region_count < REGIONS_MAX; offset += 4) {
      uint32_t bar = pci_read(function, offset);
      pci_write(function, offset, 0xffffffffu);
      uint32_t sizes = pci_read(function, offset);
      pci_write(function, offset, bar);
      uint32_t mask = bar & 1 ? 0xfffffffcu : 0xfffffff0u;
      uint32_t size = ~(sizes & mask) + 1;
      if (!(bar & mask) || !size)
        continue;
      regions[region_count++] = (struct region){bar & mask, bar & 1 ? size & 0xffff : size, !(bar & 1)};
    }
  }
}

static int is_left_alone(uint16_t port) {
  if (port - SERIAL < SERIAL_PORTS)
    return 1;
  for (uint32_t i = 0; i < sizeof left_alone / sizeof *left_alone; i++)
    if (port == left_alone[i])
      return 1;
  return 0;
}

static void use_port(uint16_t port, uint32_t value) {
  /* A wide access reaches the ports after it, too. */
  for (uint32_t i = 0; i < 4; i++)
    if (is_left_alone((uint16_t)(port + i)))
      return;
  /* The keyboard controller's commands from 0xf0 on pulse the reset line. */
  if (port == 0x64 && (value & 0xf0) == 0xf0)
    return;
  switch (below(6)) {
  case 0: out8(port, (uint8_t)value); break;
  case 1: out16(port, (uint16_t)value); break;
  case 2: out32(port, value); break;
  case 3: in8(port); break;
  case 4: in16(port); break;
  default: in32(port); break;
  }
}

static void use_memory(uint32_t address, uint32_t value) {
  switch (below(6)) {
  case 0: *(volatile uint8_t *)address = (uint8_t)value; break;
  case 1: *(volatile uint16_t *)address = (uint16_t)value; break;
  case 2: *(volatile uint32_t *)address = value; break;
  case 3: (void)*(volatile uint8_t *)address; break;
  case 4: (void)*(volatile uint16_t *)address; break;
  default: (void)*(volatile uint32_t *)address; break;
  }
}

void fuzz(const struct multiboot *boot);
void fuzz(const struct multiboot *boot) {
  state = seed_of(boot);
  say("fuzz: seed ");
  say_number(state);
  find_devices();
  say("\r\nfuzz: regions ");
  say_number(region_count);
  for (uint32_t count = 0;; count++) {
    if (count % REPORT_EVERY == 0) {
      say("\r\nfuzz: accesses ");
      say_number(count);
    }
    const struct region *region = &regions[below(region_count)];
    /* Registers begin a region; of the rest a little is enough. */
    uint32_t offset = below(4) ? below(region->size < 256 ? region->size : 256) : below(region->size);
    uint32_t value = below(3) ? draw() : 1u << below(32);
    if (region->memory)
      use_memory(region->base + (offset & ~3u), value);
    else
      use_port((uint16_t)(region->base + offset), value);
  }
}

/* Multiboot's header, in the first 8 KiB; the loader leaves its information in ebx. */
__asm__(".section .multiboot, \"a\"\n.long 0x1badb002, 0, -0x1badb002\n"
        ".text\n.globl start\nstart:\n cli\n mov $stack_end, %esp\n push %ebx\n call fuzz\n"
        ".bss\n.align 16\n.skip 16384\nstack_end:\n.text\n");
