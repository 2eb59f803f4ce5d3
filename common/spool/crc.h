/* CRC32C (Castagnoli), running: begin with 0. */
#pragma once
#include <stddef.h>
#include <stdint.h>

uint32_t crc_add(uint32_t crc, const void *data, size_t size);
