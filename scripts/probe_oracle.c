/*
 * Prints what ffprobe reports about files, as tests/probe_oracle.json and scripts/probe_parity.py have it: a list of objects with
 * the fields of `ffprobe -show_format -show_streams -show_chapters` that are compared. scripts/probe_oracle.sh builds it on FFmpeg
 * without our patches and with decoders of sound, because the pinned archive has the libraries and not the program.
 *
 * Usage: probe_oracle FILE...
 */
#include <inttypes.h>
#include <libavcodec/avcodec.h>
#include <libavcodec/defs.h>
#include <libavformat/avformat.h>
#include <libavutil/ambient_viewing_environment.h>
#include <libavutil/display.h>
#include <libavutil/dovi_meta.h>
#include <libavutil/intreadwrite.h>
#include <libavutil/mastering_display_metadata.h>
#include <libavutil/pixdesc.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *comma = "";

static void name(const char *key) {
    printf("%s\"%s\": ", comma, key);
    comma = ", ";
}

static void text(const char *key, const char *value) {
    name(key);
    if (!value) {
        printf("null");
        return;
    }
    putchar('"');
    for (const unsigned char *byte = (const unsigned char *)value; *byte; byte++) {
        if (*byte < 0x20 || *byte == '"' || *byte == '\\')
            printf("\\u%04x", *byte);
        else
            putchar(*byte);
    }
    putchar('"');
}

static void number(const char *key, int64_t value) {
    name(key);
    printf("%" PRId64, value);
}

static void fraction(const char *key, AVRational value, char between) {
    name(key);
    printf("\"%d%c%d\"", value.num, between, value.den);
}

/* As ffprobe: the ticks as a double, times the double of the time base. */
static void seconds(const char *key, int64_t ticks, AVRational base) {
    name(key);
    if (ticks == AV_NOPTS_VALUE)
        printf("null");
    else
        printf("\"%f\"", av_q2d(base) * ticks);
}

static void numeral(const char *key, int64_t value, int is_known) {
    name(key);
    if (is_known)
        printf("\"%" PRId64 "\"", value);
    else
        printf("null");
}

static void matrix(const uint8_t *bytes) {
    int32_t rows[9];
    memcpy(rows, bytes, sizeof(rows));
    char buffer[256] = "";
    size_t length = snprintf(buffer, sizeof(buffer), "\n");
    for (int row = 0; row < 3; row++)
        length += snprintf(buffer + length, sizeof(buffer) - length, "%08x:  %11d %11d %11d\n", row, rows[3 * row],
                           rows[3 * row + 1], rows[3 * row + 2]);
    text("displaymatrix", buffer);
    double rotation = av_display_rotation_get(rows);
    number("rotation", isnan(rotation) ? 0 : lrint(rotation));
}

static void mastering(const AVMasteringDisplayMetadata *data) {
    if (data->has_primaries) {
        const char *names[4][2] = {{"red_x", "red_y"}, {"green_x", "green_y"}, {"blue_x", "blue_y"}, {"white_point_x", "white_point_y"}};
        for (int point = 0; point < 4; point++)
            for (int axis = 0; axis < 2; axis++)
                fraction(names[point][axis], point < 3 ? data->display_primaries[point][axis] : data->white_point[axis], '/');
    }
    if (data->has_luminance) {
        fraction("min_luminance", data->min_luminance, '/');
        fraction("max_luminance", data->max_luminance, '/');
    }
}

static void dolby_vision(const AVDOVIDecoderConfigurationRecord *data) {
    static const char *const compressions[] = {"none", "limited", "reserved", "extended"};
    number("dv_version_major", data->dv_version_major);
    number("dv_version_minor", data->dv_version_minor);
    number("dv_profile", data->dv_profile);
    number("dv_level", data->dv_level);
    number("rpu_present_flag", data->rpu_present_flag);
    number("el_present_flag", data->el_present_flag);
    number("bl_present_flag", data->bl_present_flag);
    number("dv_bl_signal_compatibility_id", data->dv_bl_signal_compatibility_id);
    text("dv_md_compression", data->dv_md_compression < 4 ? compressions[data->dv_md_compression] : "unknown");
}

static void side_data(const AVPacketSideData *side) {
    text("side_data_type", av_packet_side_data_name(side->type));
    switch (side->type) {
    case AV_PKT_DATA_DISPLAYMATRIX:
        matrix(side->data);
        break;
    case AV_PKT_DATA_MASTERING_DISPLAY_METADATA:
        mastering((const AVMasteringDisplayMetadata *)side->data);
        break;
    case AV_PKT_DATA_CONTENT_LIGHT_LEVEL:
        number("max_content", ((const AVContentLightMetadata *)side->data)->MaxCLL);
        number("max_average", ((const AVContentLightMetadata *)side->data)->MaxFALL);
        break;
    case AV_PKT_DATA_AMBIENT_VIEWING_ENVIRONMENT: {
        const AVAmbientViewingEnvironment *data = (const AVAmbientViewingEnvironment *)side->data;
        fraction("ambient_illuminance", data->ambient_illuminance, '/');
        fraction("ambient_light_x", data->ambient_light_x, '/');
        fraction("ambient_light_y", data->ambient_light_y, '/');
        break;
    }
    case AV_PKT_DATA_DOVI_CONF:
        dolby_vision((const AVDOVIDecoderConfigurationRecord *)side->data);
        break;
    case AV_PKT_DATA_CPB_PROPERTIES: {
        const AVCPBProperties *data = (const AVCPBProperties *)side->data;
        number("max_bitrate", data->max_bitrate);
        number("min_bitrate", data->min_bitrate);
        number("avg_bitrate", data->avg_bitrate);
        number("buffer_size", data->buffer_size);
        number("vbv_delay", (int64_t)data->vbv_delay);
        break;
    }
    case AV_PKT_DATA_FRAME_CROPPING:
        number("crop_top", AV_RL32(side->data));
        number("crop_bottom", AV_RL32(side->data + 4));
        number("crop_left", AV_RL32(side->data + 8));
        number("crop_right", AV_RL32(side->data + 12));
        break;
    default:
        break;
    }
}

static const char *field_order(enum AVFieldOrder order) {
    static const char *const names[] = {NULL, "progressive", "tt", "bb", "tb", "bt"};
    return order > 0 && order < 6 ? names[order] : NULL;
}

static void video(AVFormatContext *format, AVStream *stream) {
    const AVCodecParameters *par = stream->codecpar;
    const int is_video = par->codec_type == AVMEDIA_TYPE_VIDEO;
    AVRational aspect = is_video ? av_guess_sample_aspect_ratio(format, stream, NULL) : (AVRational){0, 1};
    const char *range = is_video && par->color_range != AVCOL_RANGE_UNSPECIFIED ? av_color_range_name(par->color_range) : NULL;
    const char *space = is_video && par->color_space != AVCOL_SPC_UNSPECIFIED ? av_color_space_name(par->color_space) : NULL;
    const char *transfer = is_video && par->color_trc != AVCOL_TRC_UNSPECIFIED ? av_color_transfer_name(par->color_trc) : NULL;
    const char *primaries =
        is_video && par->color_primaries != AVCOL_PRI_UNSPECIFIED ? av_color_primaries_name(par->color_primaries) : NULL;
    if (aspect.num)
        fraction("sample_aspect_ratio", aspect, ':');
    else
        text("sample_aspect_ratio", NULL);
    text("pix_fmt", is_video ? av_get_pix_fmt_name(par->format) : NULL);
    text("color_range", range);
    text("color_space", space);
    text("color_transfer", transfer);
    text("color_primaries", primaries);
    text("field_order", is_video ? field_order(par->field_order) : NULL);
}

static void describe(AVFormatContext *format, AVStream *stream) {
    const AVCodecParameters *par = stream->codecpar;
    const AVCodecDescriptor *codec = avcodec_descriptor_get(par->codec_id);
    const char *profile = avcodec_profile_name(par->codec_id, par->profile);
    char digits[16];
    snprintf(digits, sizeof(digits), "%d", par->profile);
    number("index", stream->index);
    text("codec_type", av_get_media_type_string(par->codec_type));
    text("codec_name", codec ? codec->name : NULL);
    text("profile", profile ? profile : par->profile != AV_PROFILE_UNKNOWN ? digits : NULL);
    const int has_size = par->codec_type == AVMEDIA_TYPE_VIDEO || (par->codec_type == AVMEDIA_TYPE_SUBTITLE && par->width);
    name("width");
    has_size ? printf("%d", par->width) : printf("null");
    name("height");
    has_size ? printf("%d", par->height) : printf("null");
    video(format, stream);
    fraction("r_frame_rate", stream->r_frame_rate, '/');
    fraction("avg_frame_rate", stream->avg_frame_rate, '/');
    fraction("time_base", stream->time_base, '/');
    seconds("duration", stream->duration, stream->time_base);
    numeral("nb_frames", stream->nb_frames, stream->nb_frames != 0);
    const int is_audio = par->codec_type == AVMEDIA_TYPE_AUDIO;
    numeral("sample_rate", par->sample_rate, is_audio);
    name("channels");
    is_audio ? printf("%d", par->ch_layout.nb_channels) : printf("null");
    name("side");
    if (!par->nb_coded_side_data)
        printf("null");
    else {
        printf("[");
        for (int i = 0; i < par->nb_coded_side_data; i++) {
            printf("%s{", i ? ", " : "");
            comma = "";
            side_data(&par->coded_side_data[i]);
            printf("}");
        }
        printf("]");
    }
    comma = ", ";
    number("pic", !!(stream->disposition & AV_DISPOSITION_ATTACHED_PIC));
}

static void chapters(AVFormatContext *format) {
    name("chapters");
    printf("[");
    for (unsigned i = 0; i < format->nb_chapters; i++) {
        const AVChapter *chapter = format->chapters[i];
        const AVDictionaryEntry *title = av_dict_get(chapter->metadata, "title", NULL, 0);
        printf("%s{", i ? ", " : "");
        comma = "";
        number("id", chapter->id);
        fraction("time_base", chapter->time_base, '/');
        number("start", chapter->start);
        seconds("start_time", chapter->start, chapter->time_base);
        number("end", chapter->end);
        seconds("end_time", chapter->end, chapter->time_base);
        text("title", title ? title->value : NULL);
        printf("}");
    }
    printf("]");
    comma = ", ";
}

static int probe(const char *path) {
    AVFormatContext *format = NULL;
    const char *slash = strrchr(path, '/');
    text("file", slash ? slash + 1 : path);
    int result = avformat_open_input(&format, path, NULL, NULL);
    if (result >= 0)
        result = avformat_find_stream_info(format, NULL);
    number("probe_rc", result < 0);
    if (result >= 0) {
        const AVRational microseconds = {1, AV_TIME_BASE};
        name("format");
        printf("{");
        comma = "";
        text("format_name", format->iformat->name);
        seconds("duration", format->duration, microseconds);
        seconds("start_time", format->start_time, microseconds);
        numeral("bit_rate", format->bit_rate, format->bit_rate > 0);
        number("nb_streams", format->nb_streams);
        printf("}, \"streams\": [");
        for (unsigned i = 0; i < format->nb_streams; i++) {
            printf("%s{", i ? ", " : "");
            comma = "";
            describe(format, format->streams[i]);
            printf("}");
        }
        printf("]");
        comma = ", ";
        chapters(format);
    }
    avformat_close_input(&format);
    return result;
}

int main(int count, char **paths) {
    av_log_set_level(AV_LOG_QUIET);
    printf("[");
    for (int i = 1; i < count; i++) {
        printf("%s\n{", i > 1 ? "," : "");
        comma = "";
        probe(paths[i]);
        printf("}");
    }
    printf("\n]\n");
    return 0;
}
