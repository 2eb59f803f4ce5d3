/* Digits and point are kept apart, so that no locale's decimal point is ever read or written. */
#include "kula/ecma_number.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    DIGITS_KEPT = 800, /* 767 tell any two doubles apart; one more says that there is a rest */
    EXPONENT_MOST = 99999999, /* no document has the zeros that make up for more */
    SURE_DIGITS = DBL_DIG,
    DIGITS_MOST = DBL_DECIMAL_DIG,
};

/* 0.DIGITS times ten to the power of `point`. */
struct decimal {
    bool negative;
    char digits[DIGITS_KEPT + 1]; /* the first and the last are no zeros */
    int size;                     /* 0: the number is zero */
    int64_t point;
};

static void take_digit(struct decimal *decimal, char digit, bool behind_point) {
    if (decimal->size == 0 && digit == '0') {
        decimal->point -= behind_point; /* it stands before the first that counts */
        return;
    }
    decimal->point += !behind_point;
    if (decimal->size < DIGITS_KEPT)
        decimal->digits[decimal->size++] = digit;
    else if (digit != '0')
        decimal->digits[DIGITS_KEPT] = '1';
}

static int64_t read_exponent(struct text t) {
    bool negative = t.size && t.data[0] == '-';
    int64_t exponent = 0;
    for (size_t i = 0; i < t.size; i++)
        if (t.data[i] >= '0' && t.data[i] <= '9' && exponent <= EXPONENT_MOST)
            exponent = exponent * 10 + t.data[i] - '0';
    return negative ? -exponent : exponent;
}

static void read_decimal(struct text number, struct decimal *decimal) {
    bool behind_point = false;
    size_t i = 0;
    *decimal = (struct decimal){.negative = number.data[0] == '-'};
    for (; i < number.size && (number.data[i] | 0x20) != 'e'; i++) {
        if (number.data[i] == '.')
            behind_point = true;
        else if (number.data[i] != '-')
            take_digit(decimal, number.data[i], behind_point);
    }
    decimal->size += decimal->digits[DIGITS_KEPT] == '1';
    while (decimal->size && decimal->digits[decimal->size - 1] == '0')
        decimal->size--;
    if (i < number.size)
        decimal->point += read_exponent(text_slice(number.data + i + 1, number.size - i - 1));
}

/* As a whole number with an exponent: correctly rounded by glibc. */
static double read_double(const struct decimal *decimal) {
    char text[DIGITS_KEPT + 32];
    memcpy(text, decimal->digits, (size_t)decimal->size);
    snprintf(text + decimal->size, sizeof text - (size_t)decimal->size, "e%lld",
             (long long)(decimal->point - decimal->size));
    return strtod(text, NULL);
}

/* x rounded to so many digits. */
static void round_to(double x, uint8_t size, struct decimal *decimal) {
    char text[UINT8_MAX + 16]; /* that it is DIGITS_MOST no compiler knows */
    snprintf(text, sizeof text, "%.*e", size - 1, x);
    const char *e = strchr(text, 'e');
    decimal->digits[0] = text[0];
    memcpy(decimal->digits + 1, e - (size - 1), (size_t)size - 1);
    decimal->size = size;
    decimal->point = strtol(e + 1, NULL, 10) + 1;
}

/* The next one of as many digits. */
static void step_up(struct decimal *decimal) {
    int i = decimal->size - 1;
    while (i > 0 && decimal->digits[i] == '9')
        decimal->digits[i--] = '0';
    if (decimal->digits[i] != '9') {
        decimal->digits[i]++;
        return;
    }
    decimal->digits[0] = '1';
    decimal->point++;
}

/* At a power of two the numbers that read back as it reach twice as far upwards, so the nearest
 * of so many digits may be none of them where the next one up is. */
static bool reads_back(double x, struct decimal *decimal) {
    if (read_double(decimal) == x)
        return true;
    step_up(decimal);
    return read_double(decimal) == x;
}

/* The fewest digits that read back as x. No two numbers of up to 15 digits are the same double, so
 * 15 are tried first; that does not hold below the normal doubles. */
static bool shorten(double x, struct decimal *decimal, unsigned *tries) {
    uint8_t size = x < DBL_MIN ? 1 : SURE_DIGITS;
    for (; size < DIGITS_MOST && *tries; size++) {
        --*tries;
        round_to(x, size, decimal);
        if (reads_back(x, decimal))
            break;
    }
    if (!*tries)
        return false;
    if (size == DIGITS_MOST)
        round_to(x, size, decimal);
    while (decimal->digits[decimal->size - 1] == '0')
        decimal->size--;
    return true;
}

/* Such a number is what it says, without asking how doubles round. */
static bool is_plain(const struct decimal *decimal) {
    return decimal->size <= SURE_DIGITS && decimal->point > DBL_MIN_10_EXP + SURE_DIGITS &&
           decimal->point <= DBL_MAX_10_EXP;
}

static void add_zeros(struct string *s, int64_t count) {
    while (count-- > 0)
        string_add_char(s, '0');
}

static void add_exponential(struct string *s, struct text digits, int64_t exponent) {
    string_add_char(s, digits.data[0]);
    if (digits.size > 1)
        string_add_char(s, '.');
    string_add(s, text_slice(digits.data + 1, digits.size - 1));
    string_addf(s, "e%+lld", (long long)exponent);
}

/* Number::toString's own cases, in its order. */
static void add_decimal(struct string *s, const struct decimal *decimal) {
    struct text digits = text_slice(decimal->digits, (size_t)decimal->size);
    int64_t point = decimal->point;
    if (decimal->negative)
        string_add_char(s, '-');
    if (point >= decimal->size && point <= 21) {
        string_add(s, digits);
        add_zeros(s, point - decimal->size);
    } else if (point > 0 && point <= 21) {
        string_add(s, text_slice(digits.data, (size_t)point));
        string_add_char(s, '.');
        string_add(s, text_slice(digits.data + point, digits.size - (size_t)point));
    } else if (point > -6 && point <= 0) {
        string_add_of(s, "0.");
        add_zeros(s, -point);
        string_add(s, digits);
    } else {
        add_exponential(s, digits, point - 1);
    }
}

bool ecma_number_add(struct string *s, struct text number, unsigned *tries) {
    struct decimal decimal;
    read_decimal(number, &decimal);
    if (decimal.size && !is_plain(&decimal)) {
        double x = read_double(&decimal);
        if (isinf(x)) {
            string_add_of(s, "null");
            return true;
        }
        if (x == 0)
            decimal.size = 0;
        else if (!shorten(x, &decimal, tries))
            return false;
    }
    if (decimal.size)
        add_decimal(s, &decimal);
    else
        string_add_char(s, '0'); /* -0 too */
    return true;
}
