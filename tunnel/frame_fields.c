/*
 * Cuts the body of a frame into fields and checks their form.
 *
 *     body  = *field
 *     field = tag(1) length(2) value
 *
 * A doubled field, a missing mandatory one, a value out of bounds and an unknown field without bit
 * 7 in its tag are errors; an unknown one with it is skipped.
 */
#include "frame_fields.h"

static bool is_printable(const uint8_t *bytes, size_t length, uint8_t lowest)
{
	for (size_t i = 0; i < length; i++)
		if (bytes[i] < lowest || bytes[i] > '~')
			return false;
	return true;
}

static const char *check_number(const struct frame_field_rule *rule, struct frame_field *field)
{
	if (field->length != rule->width)
		return "wrong width of a number";
	for (size_t i = 0; i < field->length; i++)
		field->number = field->number << 8 | field->bytes[i];
	if (field->number < rule->minimum || field->number > rule->maximum)
		return "number out of range";
	return NULL;
}

/* NULL, or what is wrong. */
static const char *check_value(const struct frame_field_rule *rule, struct frame_field *field)
{
	if (rule->kind == KIND_NUMBER)
		return check_number(rule, field);
	if (field->length < rule->minimum || field->length > rule->maximum)
		return "length out of range";
	if (rule->kind == KIND_TEXT && !is_printable(field->bytes, field->length, ' '))
		return "not printable";
	if (rule->kind == KIND_WORD && !is_printable(field->bytes, field->length, '!'))
		return "not printable, or with a space";
	return NULL;
}

static const struct frame_field_rule *find_rule(const struct frame_field_rule *rules, uint8_t tag)
{
	for (; rules->tag != 0; rules++)
		if (rules->tag == tag)
			return rules;
	return NULL;
}

/* Takes the field at the beginning of body. NULL with its size, or what is wrong. */
static const char *take_one(struct frame_field fields[FIELD_TAG_LIMIT],
			    const struct frame_field_rule *rule, const uint8_t *body, size_t left,
			    size_t *size_out)
{
	size_t length;

	if (left < FIELD_HEADER)
		return "cut off";
	length = (size_t)body[1] << 8 | body[2];
	if (length > left - FIELD_HEADER)
		return "longer than the frame";
	*size_out = FIELD_HEADER + length;
	if (rule == NULL)
		return (body[0] & FIELD_SKIPPABLE) != 0 ? NULL : "must not be skipped";
	if (fields[rule->tag].is_given)
		return "there twice";
	fields[rule->tag] = (struct frame_field){
		.is_given = true,
		.bytes = body + FIELD_HEADER,
		.length = length,
	};
	return check_value(rule, &fields[rule->tag]);
}

int frame_fields_take(struct frame_field fields[FIELD_TAG_LIMIT],
		      const struct frame_field_rule *rules, const uint8_t *body, size_t length,
		      const char **field_out, const char **why_out)
{
	size_t size;

	for (; length > 0; body += size, length -= size) {
		const struct frame_field_rule *rule = find_rule(rules, body[0]);

		*field_out = rule != NULL ? rule->name : "unknown field";
		*why_out = take_one(fields, rule, body, length, &size);
		if (*why_out != NULL)
			return -1;
	}
	for (; rules->tag != 0; rules++) {
		*field_out = rules->name;
		*why_out = "missing";
		if (rules->is_mandatory && !fields[rules->tag].is_given)
			return -1;
	}
	return 0;
}
